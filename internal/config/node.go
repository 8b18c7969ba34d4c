package config

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind uint8

const (
	null kind = iota
	plain
	quoted
	list
	mapping
)

// position is a place in the file, from 1, the column in characters.
type position struct{ line, column int }

// node is a YAML value, without all that configs do not use.
type node struct {
	kind
	at      position
	text    string // of plain and quoted
	items   []*node
	entries []entry
}

type entry struct {
	key   string
	at    position
	value *node
}

func at(t *token.Token) position {
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// newNode copies a tree; its depth was checked.
func newNode(n ast.Node) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		return mappingNode(n)
	case *ast.MappingValueNode:
		return &node{kind: mapping, at: at(n.Key.GetToken()), entries: []entry{newEntry(n)}}
	case *ast.SequenceNode:
		out := &node{kind: list, at: at(n.Start)}
		for _, item := range n.Values {
			out.items = append(out.items, newNode(item))
		}
		return out
	case *ast.NullNode:
		return &node{at: at(n.Token)}
	case *ast.LiteralNode:
		return &node{kind: quoted, at: at(n.Start), text: n.Value.Value}
	case *ast.StringNode:
		return &node{kind: stringKind(n.Token), at: at(n.Token), text: n.Value}
	case *ast.BoolNode:
		return &node{kind: plain, at: at(n.Token), text: strings.ToLower(n.Token.Value)}
	default: // numbers
		return &node{kind: plain, at: at(n.GetToken()), text: n.GetToken().Value}
	}
}

func mappingNode(n *ast.MappingNode) *node {
	out := &node{kind: mapping, at: at(n.Start)}
	for _, e := range n.Values {
		out.entries = append(out.entries, newEntry(e))
	}
	if !n.IsFlowStyle && len(out.entries) > 0 {
		out.at = out.entries[0].at
	}
	return out
}

func newEntry(e *ast.MappingValueNode) entry {
	out := entry{key: e.Key.GetToken().Value, at: at(e.Key.GetToken()), value: newNode(e.Value)}
	if out.value.kind == null {
		out.value.at = out.at // there may be no token of its own
	}
	return out
}

func stringKind(t *token.Token) kind {
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		return quoted
	}
	return plain
}

// String describes the node in a message.
func (n *node) String() string {
	switch n.kind {
	case null:
		return "nothing"
	case plain:
		if numeral(n.text) && len(n.text) < 30 {
			return n.text
		}
		return quote(n.text)
	case quoted:
		if numeral(n.text) {
			return "the text " + quote(n.text)
		}
		return quote(n.text)
	case list:
		return "a list"
	default:
		return "a mapping"
	}
}

// numeral reports whether plain text is a number or boolean.
func numeral(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || s == "true" || s == "false"
}
