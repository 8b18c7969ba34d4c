package config

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// joinColons puts plain text with a colon inside together again. In flow style the YAML
// library splits it, as in {brokers: [localhost:9092]}, although to YAML a colon only
// parts a plain key from its value before a space.
func joinColons(tokens token.Tokens) token.Tokens {
	out := make(token.Tokens, 0, len(tokens))
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if i+2 < len(tokens) && glued(t, tokens[i+1], tokens[i+2]) {
			t = glue(t, tokens[i+2])
			i += 2
		}
		out = append(out, t)
	}
	for i, t := range out {
		if i > 0 {
			t.Prev, out[i-1].Next = out[i-1], t
		}
	}
	return out
}

// glued reports whether three tokens are plain text, a colon and plain text without
// space between them.
func glued(before, colon, after *token.Token) bool {
	return colon.Type == token.MappingValueType && isPlain(before) && isPlain(after) &&
		!strings.HasSuffix(before.Origin, " ") && strings.HasPrefix(after.Origin, after.Value[:1]) &&
		after.Position.Line == colon.Position.Line && after.Position.Column == colon.Position.Column+1
}

func isPlain(t *token.Token) bool {
	return t.Indicator == token.NotIndicator && t.CharacterType == token.CharacterTypeMiscellaneous &&
		t.Type != token.CommentType && t.Value != ""
}

func glue(before, after *token.Token) *token.Token {
	t := *before
	t.Type = token.StringType
	t.Value = before.Value + ":" + after.Value
	t.Origin = before.Origin + ":" + after.Origin
	t.Next = after.Next
	return &t
}
