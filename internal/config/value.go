package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// value is a node on its way into a Config. Its methods check it and store it, or
// record a violation and store nothing.
type value struct {
	r    *reader
	n    *node
	path string
}

func (v value) fail(format string, args ...any) { v.r.add(v.n.at, v.path, format, args...) }

// want records that the value is of the wrong kind.
func (v value) want(what string) { v.fail("%s where %s is wanted", v.n, what) }

// field is a key of a mapping with fixed keys.
type field[T any] struct {
	key  string
	read func(v value, to *T)
}

// object reads a mapping with fixed keys.
func object[T any](v value, fields []field[T], to *T) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
		v.r.keys[f.key] = true
	}
	v.entries("a mapping of "+strings.Join(keys, ", "), func(key string, at position, child value) {
		for _, f := range fields {
			if f.key == key {
				f.read(child, to)
				return
			}
		}
		v.r.add(at, child.path, "unknown key; the keys here are %s%s", strings.Join(keys, ", "), suggestion(key, keys))
		if meant := closest(key, keys); meant != "" {
			v.r.see(join(v.path, meant), at) // so that it is not missed, too
		}
	})
}

// entries calls each for the entries of a mapping whose keys are new and whose
// values are not empty. At is the place of the key.
func (v value) entries(want string, each func(key string, at position, child value)) {
	if v.n.kind != mapping {
		v.want(want)
		return
	}
	v.r.see(v.path, v.n.at)
	first := map[string]position{}
	for _, e := range v.n.entries {
		if v.r.hopeless() {
			return
		}
		child := value{v.r, e.value, join(v.path, e.key)}
		if p, ok := first[e.key]; ok {
			v.r.add(e.at, child.path, "the key is there twice, first in line %d", p.line)
			continue
		}
		first[e.key] = e.at
		v.r.see(child.path, e.value.at)
		if e.value.kind == null {
			child.fail("has no value: %s", noValue(e.key))
			continue
		}
		each(e.key, e.at, child)
	}
}

func noValue(key string) string {
	if strings.Contains(key, ":") {
		return "a space is missing after a colon, or the value"
	}
	return "give one or leave the key out"
}

// list calls each for the items of a list.
func (v value) list(want string, each func(i int, item value)) {
	if v.n.kind != list {
		v.want("a list of " + want)
		return
	}
	for i, n := range v.n.items {
		if v.r.hopeless() {
			return
		}
		item := value{v.r, n, fmt.Sprintf("%s[%d]", v.path, i)}
		v.r.see(item.path, n.at)
		each(i, item)
	}
}

// see notes where a key is.
func (r *reader) see(path string, p position) {
	if r.places == nil {
		r.places = map[string]position{}
	}
	r.places[path] = p
}

func (v value) scalar() bool { return v.n.kind == plain || v.n.kind == quoted }

// oneOf reads one of the words.
func (v value) oneOf(to *string, words ...string) {
	if !v.scalar() {
		v.want("one of " + strings.Join(words, ", "))
		return
	}
	for _, w := range words {
		if v.n.text == w {
			*to = w
			return
		}
	}
	v.fail("%s is not one of %s%s", v.n, strings.Join(words, ", "), suggestion(v.n.text, words))
}

func (v value) boolean(to *bool) {
	if v.n.kind != plain || v.n.text != "true" && v.n.text != "false" {
		v.want("true or false")
		return
	}
	*to = v.n.text == "true"
}

// integer reads a whole number from low to high.
func (v value) integer(to *int, low, high int) {
	n, err := strconv.Atoi(v.n.text)
	if v.n.kind != plain || err != nil || n < low || n > high {
		v.want(fmt.Sprintf("a whole number from %d to %d", low, high))
		return
	}
	*to = n
}

var decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// positive reads a finite number above 0.
func (v value) positive(to *float64, want string) {
	x, err := strconv.ParseFloat(v.n.text, 64)
	if v.n.kind != plain || err != nil || !decimal.MatchString(v.n.text) || x == 0 || math.IsInf(x, 0) {
		v.want(want)
		return
	}
	*to = x
}
