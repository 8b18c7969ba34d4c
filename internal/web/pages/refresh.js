// Asks for the page again every few seconds, and replaces what it shows: no flicker, and no place or focus is lost. What is drawn across a
// picture over time chooses that time. Without this script links do.
(() => {
  const every = 5000;
  let asked = 0, drawn = null;
  const busy = () => drawn || document.hidden || document.activeElement?.closest("form") || !document.getSelection().isCollapsed;
  const place = (root, e) => {
    const path = [];
    for (; e && e !== root; e = e.parentElement) path.unshift([...e.parentElement.children].indexOf(e));
    return path;
  };
  const find = (root, path) => path.reduce((e, i) => e?.children[i], root);
  async function refresh(chosen) {
    if (!chosen && busy()) return;
    const mine = ++asked;
    const lost = document.getElementById("lost");
    let text;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
      text = await answer.text();
    } catch {
      if (mine === asked) lost.hidden = false;
      return;
    }
    lost.hidden = true;
    if (mine !== asked || !chosen && busy()) return;
    const next = new DOMParser().parseFromString(text, "text/html");
    for (const id of ["fresh", "main"]) {
      const now = document.getElementById(id), then = next.getElementById(id);
      if (!now || !then || now.innerHTML === then.innerHTML) continue;
      for (const d of now.querySelectorAll("details[open]")) then.querySelector("#" + d.id)?.setAttribute("open", "");
      const focus = now.contains(document.activeElement) ? place(now, document.activeElement) : null;
      const scrolled = [...now.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
      now.replaceChildren(...then.childNodes);
      now.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] ?? 0; });
      if (focus) find(now, focus)?.focus({ preventScroll: true });
    }
    document.title = next.title;
  }
  setInterval(refresh, every);

  const show = (address) => {
    history.pushState(null, "", address);
    refresh(true);
  };
  addEventListener("popstate", () => refresh(true));
  addEventListener("click", (e) => {
    const link = e.target.closest?.(".zoom a");
    if (!link || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    show(link.href.replace(/#.*/, ""));
  });

  // at returns where in a picture something points, and the time that is there.
  const at = (svg, e) => {
    const box = svg.getBoundingClientRect(), d = svg.dataset, left = Number(d.left), right = Number(d.right);
    const x = Math.min(Math.max((e.clientX - box.left) / box.width * svg.viewBox.baseVal.width, left), right);
    return { x, time: Number(d.from) + (x - left) / (right - left) * (d.to - d.from) };
  };
  const end = () => {
    drawn?.mark.remove();
    drawn = null;
  };
  document.documentElement.classList.add("scripted");
  addEventListener("pointerdown", (e) => {
    const svg = e.target.closest?.("svg[data-from]");
    if (!svg || e.button || e.pointerType === "touch") return;
    end();
    const mark = document.createElementNS(svg.namespaceURI, "rect");
    mark.setAttribute("class", "chosen");
    mark.setAttribute("height", svg.viewBox.baseVal.height);
    svg.append(mark);
    drawn = { svg, mark, from: at(svg, e) };
  });
  addEventListener("pointermove", (e) => {
    if (!drawn) return;
    const to = at(drawn.svg, e), x = drawn.from.x;
    drawn.mark.setAttribute("x", Math.min(x, to.x));
    drawn.mark.setAttribute("width", Math.abs(x - to.x));
  });
  addEventListener("pointerup", (e) => {
    if (!drawn) return;
    const to = at(drawn.svg, e), from = drawn.from;
    end();
    if (Math.abs(to.x - from.x) < 5) return;
    const stamp = (t) => new Date(1000 * t).toISOString().replace(/\.\d+/, "");
    // As text, because not every name survives being decoded.
    const kept = location.search.slice(1).split("&").filter((p) => p && !/^(last|from|to)=/.test(p));
    const [first, last] = [from.time, to.time].sort((a, b) => a - b);
    show(`${location.pathname}?${[...kept, `from=${stamp(Math.floor(first))}`, `to=${stamp(Math.ceil(last))}`].join("&")}`);
  });
  addEventListener("pointercancel", end);
  addEventListener("keydown", (e) => { if (e.key === "Escape") end(); });
})();
