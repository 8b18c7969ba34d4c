package config

import (
	"fmt"
	"strings"
)

// Violation is one broken rule.
type Violation struct {
	File string
	// Line and Column, from 1, are where; 0 if it is the file as a whole.
	Line, Column int
	// Path is the key, such as models[0].features.amount.type; empty for the file.
	Path string
	// Message says what was found and what is allowed.
	Message string
}

// Error returns file:line:column: path: message.
func (v Violation) Error() string {
	var b strings.Builder
	b.WriteString(v.File)
	if v.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", v.Line, v.Column)
	}
	if v.Path != "" {
		b.WriteString(": " + v.Path)
	}
	b.WriteString(": " + v.Message)
	return b.String()
}

// Violations are all broken rules of a file, in order of their lines.
type Violations []Violation

// Error returns the violations, one a line.
func (v Violations) Error() string {
	lines := make([]string, len(v))
	for i := range v {
		lines[i] = v[i].Error()
	}
	return strings.Join(lines, "\n")
}
