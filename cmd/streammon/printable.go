package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable is a text of foreign origin as it may be shown: quoted if it has what a terminal would
// obey, or what ends a line or turns its order around.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	return strconv.Quote(s)
}

func printableList(texts []string) string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = printable(s)
	}
	return strings.Join(out, ", ")
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

// printableLines is the same of a message that may have several lines: it replaces.
func printableLines(err error) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unprintable(r) {
			return utf8.RuneError
		}
		return r
	}, err.Error())
}
