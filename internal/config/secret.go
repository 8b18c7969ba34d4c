package config

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// hidden stands in messages for what may be a secret.
const hidden = "…"

var (
	// secretKey is a key of a secret, or what was meant for one.
	secretKey = regexp.MustCompile(`(?i)(?:pass?(?:wor[dt]|wd|phrase)?|secret)["']?\s*[:=]`)
	// quotedText is text that a message quotes; what is suggested is ours.
	quotedText = regexp.MustCompile(`did you mean "[^"]*"|"(?:[^"\\]|\\.)*"`)
	// firstNumber is a number that a message begins with.
	firstNumber = regexp.MustCompile(`^[-+]?[0-9.]\S*`)
	pathWord    = regexp.MustCompile(`\[\d+\]|\["(?:[^"\\]|\\.)*"\]|[A-Za-z0-9_-]+`)
)

// secrets are the parts of a file in which a secret may be, in order: messages about them quote nothing.
type secrets []region

// region is a part of a file from a place to the end of a line.
type region struct {
	from position
	to   int // line
}

// findSecrets looks at the text alone, since what is broken has no tree: from the key of a secret
// on, the rest of the line, the lines below that are indented more, and the next one if the key's has no value or
// only the head of a block; a quote goes on to its end.
func findSecrets(text string) (found secrets) {
	lines, starts := splitLines(text)
	line, ends := 0, map[endKey]int{}
	for _, at := range secretKey.FindAllStringIndex(text, -1) {
		for line+1 < len(lines) && starts[line+1] <= at[0] {
			line++
		}
		last := line
		for last+1 < len(lines) && starts[last+1] <= at[1]-1 {
			last++ // the colon is on a later line
		}
		value := strings.TrimLeft(text[at[1]:min(starts[last]+len(lines[last]), len(text))], " \t")
		key := endKey{line, last, value == "" || strings.ContainsRune("|>#&!", rune(value[0]))}
		end, ok := ends[key]
		if !ok {
			clear(ends) // of other lines
			end = endOfValue(lines, last, indent(lines[line]), key.loose)
			ends[key] = end
		}
		if value != "" && (value[0] == '"' || value[0] == '\'') {
			rest := text[at[1]:]
			rest = rest[strings.IndexByte(rest, value[0])+1:]
			quoted := len(text) - len(rest) + max(closing(rest, value[0]), 0)
			for end+1 < len(lines) && starts[end+1] <= quoted {
				end++
			}
		}
		if n := len(found); n > 0 && found[n-1].from.line == line+1 {
			found[n-1].to = max(found[n-1].to, end+1)
		} else {
			column := utf8.RuneCountInString(text[starts[line]:at[0]]) + 1
			found = append(found, region{position{line + 1, column}, end + 1})
		}
		if end == len(lines)-1 {
			break // the rest is in it
		}
	}
	return found
}

// endKey is what the end of a value depends on: the lines of its key and of the colon, and whether the
// next line belongs to it in any case.
type endKey struct {
	line, last int
	loose      bool
}

// endOfValue returns the last line of a value that begins in a line, whose key's is indented by n. If it is loose, the
// next line with text is of it, too.
func endOfValue(lines []string, line, n int, loose bool) int {
	end := line
	for i := line + 1; i < len(lines); i++ {
		blank := strings.TrimSpace(lines[i]) == ""
		if !blank && indent(lines[i]) <= n && !loose {
			break
		}
		if !blank {
			end, loose = i, false
		}
	}
	return end
}

// splitLines returns the lines, and where each begins. A line ends by LF, CR or both.
func splitLines(text string) (lines []string, starts []int) {
	for from := 0; ; {
		n := strings.IndexAny(text[from:], "\r\n")
		if n < 0 {
			return append(lines, text[from:]), append(starts, from)
		}
		lines, starts = append(lines, text[from:from+n]), append(starts, from)
		if from += n + 1; text[from-1] == '\r' && strings.HasPrefix(text[from:], "\n") {
			from++
		}
	}
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// closing returns where a quote ends in text, its end if it does not.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i
		}
	}
	return len(text)
}

// at reports whether a secret may be at a place.
func (s secrets) at(p position) bool {
	for _, r := range s {
		if p.line == r.from.line && p.column >= r.from.column || p.line > r.from.line && p.line <= r.to {
			return true
		}
	}
	return false
}

// hide takes out of a path and a message about a place what may be of a secret: all that is quoted,
// and what is no key of a config.
func (r *reader) hide(p position, path, message string) (string, string) {
	secret := r.secrets.at(p)
	if secret || secretKey.MatchString(path) {
		path = pathWord.ReplaceAllStringFunc(path, func(word string) string {
			if strings.HasPrefix(word, "[") && word[1] != '"' || r.keys[word] {
				return word
			}
			return hidden
		})
	}
	if secret || secretKey.MatchString(message) {
		message = quotedText.ReplaceAllStringFunc(message, func(s string) string {
			if strings.HasPrefix(s, "did") {
				return s
			}
			return hidden
		})
		message = firstNumber.ReplaceAllString(message, hidden)
	}
	return path, message
}

// userInfo is a name and a password in an address.
var userInfo = regexp.MustCompile(`://[^/\s"']*@`)

// redact returns a config file's text without what may be secret: of the lines in which a secret is the part from its key's end on, and
// names and passwords in addresses. Variables of the environment stay as they are written.
func redact(text string) string {
	lines, _ := splitLines(text)
	for _, r := range findSecrets(text) {
		first := []rune(lines[r.from.line-1])
		key := string(first[r.from.column-1:])
		if at := secretKey.FindStringIndex(key); at != nil {
			key = key[:at[1]]
		} else {
			key = "" // the key goes on in the next line
		}
		lines[r.from.line-1] = string(first[:r.from.column-1]) + key + " " + hidden
		for i := r.from.line; i < r.to; i++ {
			lines[i] = hidden
		}
	}
	return userInfo.ReplaceAllString(strings.Join(lines, "\n"), "://"+hidden+"@")
}
