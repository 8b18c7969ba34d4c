package generate

import (
	"fmt"
	"strconv"
	"strings"
)

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	value any
}

// mapping is a mapping in the order of its keys. Entries whose value is nil or empty text are left out.
type mapping []pair

// verbatim is YAML of one line that is written as it is.
type verbatim string

// yamlOf writes a value as YAML: objects, lists ([]any, []string), texts, integers and booleans. Texts are quoted, or blocks if they have
// several lines, so that none is taken for anything else.
func yamlOf(v mapping) string {
	var b strings.Builder
	writeObject(&b, v, "")
	return b.String()
}

func writeObject(b *strings.Builder, o mapping, indent string) {
	for _, e := range o {
		if e.value == nil || e.value == "" {
			continue
		}
		b.WriteString(indent + e.key + ":")
		writeValue(b, e.value, indent+"  ")
	}
}

// writeValue writes what comes after a colon.
func writeValue(b *strings.Builder, v any, indent string) {
	switch x := v.(type) {
	case mapping:
		b.WriteString("\n")
		writeObject(b, x, indent)
	case []any:
		b.WriteString("\n")
		for _, item := range x {
			writeItem(b, item, indent)
		}
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = scalar(s)
		}
		b.WriteString(" [" + strings.Join(quoted, ", ") + "]\n")
	case string:
		if strings.Contains(x, "\n") {
			b.WriteString(" |-\n" + indent + strings.ReplaceAll(x, "\n", "\n"+indent) + "\n")
			return
		}
		b.WriteString(" " + scalar(x) + "\n")
	default:
		fmt.Fprintf(b, " %v\n", x)
	}
}

// writeItem writes an item of a list, which is a mapping.
func writeItem(b *strings.Builder, v any, indent string) {
	var item strings.Builder
	writeObject(&item, v.(mapping), indent+"  ")
	text := item.String()
	b.WriteString(indent + "- " + strings.TrimPrefix(text, indent+"  "))
}

// scalar quotes a text unless it is a plain word.
func scalar(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) || s[0] < 'A' || s == "true" || s == "false" || s == "null" || s == "yes" || s == "no" || s == "on" || s == "off" {
		if isDuration(s) {
			return s
		}
		return strconv.Quote(s)
	}
	return s
}

// isDuration reports whether a text is a number and a unit, which YAML takes for text.
func isDuration(s string) bool {
	return len(s) > 1 && s[0] >= '0' && s[0] <= '9' && strings.Trim(s, "0123456789smhdw") == "" && strings.ContainsAny(s[len(s)-1:], "smhdw")
}
