package decode

import (
	"fmt"
	"strings"
)

// ParsePath splits a path into the names of nested members: "$.a.b", "a.b" and
// "$['odd key'].b" (or with double quotes; a backslash escapes a quote or itself). "$" is
// the message itself, and has no names.
func ParsePath(path string) ([]string, error) {
	rest := path
	if rest == "" {
		return nil, fmt.Errorf("path %q is empty", path)
	}
	if after, ok := strings.CutPrefix(rest, "$"); ok && (after == "" || after[0] == '.' || after[0] == '[') {
		rest = after
	} else if rest[0] != '[' {
		rest = "." + rest
	}
	var names []string
	for rest != "" {
		var name string
		var err error
		if rest[0] == '[' {
			name, rest, err = cutQuoted(rest)
		} else {
			name, rest, err = cutPlain(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", path, err)
		}
		names = append(names, name)
	}
	return names, nil
}

// cutPlain cuts ".name".
func cutPlain(s string) (name, rest string, err error) {
	if s[0] != '.' {
		return "", "", fmt.Errorf("a dot or a bracket is wanted before %q", s)
	}
	s = s[1:]
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	name = s[:end]
	switch {
	case name == "":
		return "", "", fmt.Errorf("a name is missing before %q", s[end:])
	case strings.ContainsAny(name, "*]'\" "):
		return "", "", fmt.Errorf("%q is no plain name: only names of members are allowed, odd ones as ['%s']", name, name)
	}
	return name, s[end:], nil
}

// cutQuoted cuts "['name']".
func cutQuoted(s string) (name, rest string, err error) {
	if len(s) < 2 || s[1] != '\'' && s[1] != '"' {
		return "", "", fmt.Errorf("%q: a quoted name is wanted in brackets (there are no array indices)", s)
	}
	quote := s[1]
	var b strings.Builder
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == quote:
			if !strings.HasPrefix(s[i+1:], "]") {
				return "", "", fmt.Errorf("%q: a closing bracket is wanted after the quote", s)
			}
			return b.String(), s[i+2:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("%q: the quote is not closed", s)
}

// QuotePath returns the path of the members of any names, from the top down.
func QuotePath(names ...string) string {
	path := "$"
	for _, n := range names {
		path += "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(n) + "']"
	}
	return path
}
