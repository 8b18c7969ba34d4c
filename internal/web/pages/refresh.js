// Asks for the page again every few seconds, and replaces what it shows: no flicker, and no place or focus is lost.
(() => {
  const every = 5000;
  const busy = () => document.hidden || document.activeElement?.closest("form") || !document.getSelection().isCollapsed;
  const place = (root, e) => {
    const path = [];
    for (; e && e !== root; e = e.parentElement) path.unshift([...e.parentElement.children].indexOf(e));
    return path;
  };
  const at = (root, path) => path.reduce((e, i) => e?.children[i], root);
  async function refresh() {
    if (busy()) return;
    const lost = document.getElementById("lost");
    let text;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
      text = await answer.text();
    } catch {
      lost.hidden = false;
      return;
    }
    lost.hidden = true;
    if (busy()) return;
    const next = new DOMParser().parseFromString(text, "text/html");
    for (const id of ["fresh", "main"]) {
      const now = document.getElementById(id), then = next.getElementById(id);
      if (!now || !then || now.innerHTML === then.innerHTML) continue;
      for (const d of now.querySelectorAll("details[open]")) then.querySelector("#" + d.id)?.setAttribute("open", "");
      const focus = now.contains(document.activeElement) ? place(now, document.activeElement) : null;
      const scrolled = [...now.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
      now.replaceChildren(...then.childNodes);
      now.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] ?? 0; });
      if (focus) at(now, focus)?.focus({ preventScroll: true });
    }
    document.title = next.title;
  }
  setInterval(refresh, every);
})();
