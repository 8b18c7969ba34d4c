package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of the file. The YAML parser's time grows with the square of the tokens
// (words and signs), and its stack with the depth.
const (
	maxFileBytes = 4 << 20
	maxTokens    = 100000
	maxDepth     = 32
)

// document turns the file into a tree, or records why it cannot and returns nil.
// Of YAML it takes one document of mappings, lists and scalars.
func (r *reader) document(data []byte) (root *node) {
	defer func() {
		if recover() != nil { // in the YAML library: a bad file must not end the process
			root = nil
			r.add(position{1, 1}, "", "not valid YAML")
		}
	}()
	if len(data) > maxFileBytes {
		r.add(position{}, "", "the file is larger than %d MiB", maxFileBytes>>20)
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !r.characters(data) {
		return nil
	}
	r.secrets = findSecrets(string(data))
	tokens := joinColons(lexer.Tokenize(string(data)))
	if len(tokens) > maxTokens {
		r.add(position{}, "", "the file has more than %d words and signs", maxTokens)
		return nil
	}
	shape := shape{reader: r}
	for _, t := range tokens {
		shape.token(t)
	}
	if len(r.violations) > 0 {
		return nil
	}
	return r.parseTokens(tokens)
}

// characters checks that the file is text.
func (r *reader) characters(data []byte) bool {
	p := position{1, 1}
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			r.add(p, "", "byte 0x%02x is not UTF-8", data[i])
			return false
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f:
			r.add(p, "", "control character %U is not allowed in YAML", c)
			return false
		}
		if i, p.column = i+n, p.column+1; c == '\n' {
			p = position{p.line + 1, 1}
		}
	}
	return true
}

func (r *reader) parseTokens(tokens token.Tokens) *node {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		r.add(position{}, "", "the file is empty: it needs kafka and models at least")
		return nil
	}
	return newNode(file.Docs[0].Body)
}

func (r *reader) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		r.add(position{1, 1}, "", "not valid YAML")
		return
	}
	message := e.GetMessage()
	if strings.Contains(message, "\t") {
		message = "a tab where only spaces may be"
	}
	// What the library quotes is of the file, and may be a secret: where it is says enough.
	message = strings.TrimSuffix(quotedText.ReplaceAllString(message, hidden), ": "+hidden)
	r.add(at(e.GetToken()), "", "not valid YAML: %s", strings.ReplaceAll(message, "\n", " "))
}

// refusedTokens are what YAML has and configs do not.
var refusedTokens = map[token.Type]string{
	token.AnchorType:     "anchors (&) are not supported",
	token.AliasType:      "aliases (*) are not supported: write the value again, or quote text that begins with *",
	token.MergeKeyType:   "merge keys (<<) are not supported",
	token.TagType:        "tags (!) are not supported: quote what must be text",
	token.MappingKeyType: "complex keys (?) are not supported",
	token.DirectiveType:  "directives (%) are not supported",
}

// shape checks the tokens of a file before they are parsed.
type shape struct {
	*reader
	header  bool    // of a directive may come
	content bool    // some was seen
	ended   bool    // the document
	flow    int     // open brackets and braces
	levels  []level // of block style
	deep    bool    // reported
}

// level is an open block mapping or list.
type level struct {
	column int
	list   bool
}

func (s *shape) token(t *token.Token) {
	if message, ok := refusedTokens[t.Type]; ok {
		s.add(at(t), "", "%s", message)
	}
	switch t.Type {
	case token.DocumentHeaderType, token.DocumentEndType:
		s.document(t)
	case token.DirectiveType:
		s.header = true
	case token.CommentType:
	case token.SequenceStartType, token.MappingStartType:
		s.flow++
	case token.SequenceEndType, token.MappingEndType:
		s.flow = max(s.flow-1, 0)
	case token.SequenceEntryType:
		s.block(t, true)
	case token.MappingValueType:
		if t.Prev != nil {
			s.block(t.Prev, false)
		}
	default:
		if s.ended {
			s.second(t)
		}
		s.content = true
	}
	if depth := len(s.levels) + s.flow; depth > maxDepth && !s.deep {
		s.deep = true
		s.add(at(t), "", "nested deeper than %d levels", maxDepth)
	}
}

// document sees the beginning or the end of a document.
func (s *shape) document(t *token.Token) {
	if t.Type == token.DocumentHeaderType && (s.content || s.ended) && !s.header {
		s.second(t)
	}
	s.header = false
	s.content, s.ended = true, t.Type == token.DocumentEndType
}

func (s *shape) second(t *token.Token) {
	s.add(at(t), "", "a second document begins here: a config is one")
	s.ended = false
}

// block sees a key, or the dash of a list, and follows the nesting by columns.
func (s *shape) block(t *token.Token, list bool) {
	if s.flow > 0 {
		return
	}
	column := t.Position.Column
	for n := len(s.levels); n > 0; n-- {
		top := s.levels[n-1]
		if top.column < column || top.column == column && (list || !top.list) {
			break
		}
		s.levels = s.levels[:n-1]
	}
	if n := len(s.levels); n == 0 || s.levels[n-1] != (level{column, list}) {
		s.levels = append(s.levels, level{column, list})
	}
}
