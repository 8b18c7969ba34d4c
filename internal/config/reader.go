package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxViolations is where a hopeless file is given up.
const maxViolations = 1000

// reader is the state of reading one file.
type reader struct {
	file string
	dir  string // of the file
	// withoutReferences: the files of references need not be there.
	withoutReferences bool

	secrets secrets         // where they may be
	keys    map[string]bool // that were asked for

	places     map[string]position // of the keys that were given, by path
	violations Violations
	warnings   []string
}

// add records a violation.
func (r *reader) add(p position, path, format string, args ...any) {
	if r.hopeless() {
		return
	}
	r.violations = append(r.violations, r.violation(p, path, fmt.Sprintf(format, args...)))
}

// violation is one that shows no secret.
func (r *reader) violation(p position, path, message string) Violation {
	path, message = r.hide(p, path, message)
	return Violation{File: r.file, Line: p.line, Column: p.column, Path: path, Message: message}
}

// hopeless reports whether there are too many violations to go on.
func (r *reader) hopeless() bool { return len(r.violations) > maxViolations }

// fail records a violation of the key at path, or if it was not given, of the
// nearest one above it.
func (r *reader) fail(path, format string, args ...any) {
	r.add(r.place(path), path, format, args...)
}

func (r *reader) place(path string) position {
	for p := path; ; {
		if at, ok := r.places[p]; ok {
			return at
		}
		i := strings.LastIndexAny(p, ".[")
		if i < 0 {
			return r.places[""]
		}
		p = p[:i]
	}
}

// given reports whether the file has the key, with whatever value.
func (r *reader) given(path string) bool {
	_, ok := r.places[path]
	return ok
}

// warn records a warning about the key at path.
func (r *reader) warn(path, format string, args ...any) {
	p := r.place(path)
	r.warnings = append(r.warnings, r.violation(p, path, fmt.Sprintf(format, args...)).Error())
}

// sorted returns the violations in order of their places. The last one of too many says so.
func (r *reader) sorted() Violations {
	slices.SortStableFunc(r.violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if r.hopeless() {
		r.violations[maxViolations] = Violation{
			File: r.file, Message: fmt.Sprintf("more than %d violations: the rest is left out", maxViolations),
		}
	}
	return r.violations
}
