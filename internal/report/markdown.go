package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteMarkdown writes the report's tables and sentences for a pull request: no distributions, and no history.
func (r *Report) WriteMarkdown(w io.Writer) error {
	b := &bytes.Buffer{}
	b.WriteString("## streammon report\n\n")
	fmt.Fprintf(b, "Of %s", md(r.Source))
	if !r.End.IsZero() {
		fmt.Fprintf(b, ", windows until %s", r.End.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	b.WriteString(".\n\n")
	for _, s := range r.Summary {
		fmt.Fprintf(b, "- **%s** %s\n", stateText(s.State), md(s.Text))
	}
	for i := range r.Models {
		r.Models[i].markdown(b)
	}
	fmt.Fprintf(b, "\n<details><summary>Ledger</summary>\n\n```json\n%s\n```\n\n</details>\n", strings.ReplaceAll(string(r.Ledger), "`", `\u0060`))
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (m *Model) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n### %s\n\n", md(m.Name))
	if len(m.Windows) == 0 {
		b.WriteString("No events in any window.\n")
		return
	}
	b.WriteString("| Version | Window | Until | Events | Errors | Drifted | Answers |\n|---|---|---|--:|--:|---|---|\n")
	for i := range m.Windows {
		w := &m.Windows[i]
		drifted := md(strings.Join(append(append([]string(nil), w.Drifted...), w.Warned...), ", "))
		if drifted == "" {
			drifted = map[bool]string{true: "none", false: "no verdict"}[w.Judged > 0]
		}
		answers := strings.TrimSpace(w.Answers + " " + md(w.Figure))
		if w.Value != nil {
			answers += " " + number(w.Value)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", md(w.Version), md(w.Window), w.End.UTC().Format("2006-01-02 15:04:05"), Count(w.Events), percent(w.Errors), drifted, answers)
	}
	for i := range m.Versions {
		m.Versions[i].markdown(b, m.Name)
	}
	for _, f := range m.References {
		fmt.Fprintf(b, "\nReference `%s`, %s rows%s.\n", f.Fingerprint, Count(f.Rows), map[bool]string{true: " of " + md(strings.Join(f.Inputs, ", "))}[len(f.Inputs) > 0])
	}
}

func (v *Version) markdown(b *bytes.Buffer, model string) {
	fmt.Fprintf(b, "\n#### %s %s, %s\n\n", md(model), md(versionName(v.Version)), md(v.Window.Window))
	if p := v.Performance; p != nil && len(p.Figures) > 0 {
		b.WriteString("| Figure | Value | 95 % interval | Reference | Estimate |\n|---|--:|--:|--:|--:|\n")
		for _, f := range p.Figures {
			interval := "–"
			if f.Low != nil && f.High != nil {
				interval = number(f.Low) + " – " + number(f.High)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", md(FigureTitle(f.Name, f.At)), number(f.Value), interval, number(f.Reference), number(f.Estimate))
		}
		b.WriteString("\n")
	}
	if len(v.Features) == 0 {
		return
	}
	b.WriteString("| Feature | State | Values | Missing | Median | Statistic | What moved |\n|---|---|--:|--:|--:|---|---|\n")
	for i := range v.Features {
		f := &v.Features[i]
		by := ""
		for _, s := range f.Statistics {
			if s.Decides {
				by = StatisticName(s.Name) + " " + number(s.Value)
				if s.Threshold != nil {
					by += " (limit " + number(s.Threshold) + ")"
				}
			}
		}
		state := stateText(f.State)
		if f.State == "drift" || f.State == "warning" {
			state = "**" + state + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", md(f.Name), state, Count(f.Count), percent(f.Missing), number(f.Median), md(by), md(f.Text))
	}
}

// md escapes a text for Markdown: whatever a name contains, it is text, on one line, and neither a link nor a mention.
func md(s string) string {
	var b strings.Builder
	for _, r := range Visible(s) {
		switch {
		case strings.ContainsRune("&<>@#|$", r):
			fmt.Fprintf(&b, "&#%d;", r)
		case strings.ContainsRune("\\`*_[]~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return links.Replace(b.String())
}

// links are what is made a link without being marked as one.
var links = strings.NewReplacer("://", "&#58;//", "www.", "www&#46;", "WWW.", "WWW&#46;")
