package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/consumer"
)

// TestInitOnOddTopics: whatever the messages are, the config passes the check, and it is
// said what would become of them.
func TestInitOnOddTopics(t *testing.T) {
	many := `{"time":1795341600`
	for i := range 1500 {
		many += fmt.Sprintf(`,"f%d":%d.5`, i, i)
	}
	for _, c := range []struct {
		name     string
		messages []string
		accepted int
		has      string
	}{
		{"odd names", []string{`{"time":1795341600,"features":{"":1.5,"a\u0000b":2,"__other__":3,"a.b":1.5,"it's \"x\"":2.5,"größe":3,"# no: comment":1,"` + strings.Repeat("x", 300) + `":1}}`}, 1, `"größe": numeric`},
		{"names of outputs", []string{`{"time":1795341600,"features":{"label":"x","prediction.score":1,"amount":1.5}}`}, 1, `"amount": numeric`},
		{"segments with =", []string{`{"time":1795341600,"segments":{"a=b":"x","country":"DE"},"features":{"amount":1.5}}`}, 1, `- "country"`},
		{"empty label", []string{`{"time":1795341600,"prediction":{"label":""},"features":{"amount":1.5}}`}, 1, `"amount": numeric`},
		{"odd label", []string{`{"time":1795341600,"prediction":{"label":"a\u0000"},"features":{"amount":1.5}}`}, 1, `"amount": numeric`},
		{"odd model", []string{`{"time":1795341600,"model":"a\u0000","features":{"amount":1.5}}`}, 0, `name: "odd"`},
		{"two models", []string{`{"time":1795341600,"model":"a","features":{"amount":1.5}}`, `{"time":1795341600,"model":"b","features":{"amount":2.5}}`}, 2, `name: "b"`},
		{"nested", []string{`{"time":1795341600,"status":200,"payload":{"inputs":{"amount":1.5,"shop":"a"}}}`}, 1, `features: "$.payload.inputs"`},
		{"no time", []string{`{"amount":1.5}`}, 0, `"amount": numeric`},
		{"odd time", []string{`{"time":"yesterday","amount":1.5}`}, 0, `"amount": numeric`},
		{"texts", []string{`{"time":"1795341600","amount":"1.5"}`}, 1, `parse_strings: true`},
		{"too many", []string{many + "}"}, 0, `"f989": numeric`}, // more fields than a message may have
	} {
		var records []consumer.Record
		for _, m := range c.messages {
			records = append(records, consumer.Record{Value: []byte(m)})
		}
		s, err := newSample(records)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		data, parsed, err := s.checked(InitOptions{Brokers: []string{"localhost:9092"}, Topic: "odd"})
		if err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, s.config(InitOptions{Topic: "odd"}))
			continue
		}
		r := &InitReport{Config: data, Messages: len(records)}
		if err := r.count(parsed, records); err != nil {
			t.Fatal(err)
		}
		if r.Accepted() != c.accepted || !strings.Contains(string(data), c.has) {
			t.Errorf("%s: %d of %d accepted (%v), or no %s in\n%.3000s", c.name, r.Accepted(), r.Messages, r.Rejected, c.has, data)
		}
	}
	for _, m := range []string{"", "rubbish", "[1]", `{"time":1}`} {
		if s, err := newSample([]consumer.Record{{Value: []byte(m)}}); err == nil {
			t.Errorf("%q gave %d features", m, len(s.features))
		}
	}
}
