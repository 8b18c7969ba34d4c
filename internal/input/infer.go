package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// Inferred is what was found out about a column or member.
type Inferred struct {
	Name string
	Type event.Type
	// Skip: it is no feature, for the Reason.
	Skip bool
	// Rows were looked at; of these so many had no value, and there were so many
	// distinct ones (counted to 10,000).
	Rows, Missing, Distinct int
	// Quoted: a number among the values is a text.
	Quoted  bool
	Example string
	Reason  string
}

const (
	maxDistinct = 10_000
	// fewIntegers is up to how many distinct small integers are taken for codes.
	fewIntegers = 10
)

// column gathers what a column holds.
type column struct {
	Inferred
	numbers, integers, booleans, texts, times, composites int
	seen                                                  map[string]bool
}

// Infer looks at no more than so many rows and tells for each column, in order of
// appearance, its type:
//
//   - numeric, if at least 99 % of the values are finite numbers (or texts of such),
//     and they are not integers of at most ten distinct values, which are taken for
//     categories; or if at least half are numbers and some have a fraction;
//   - categorical, if they are texts, booleans or such codes;
//   - left out, if it is empty, holds times, nested values, or a text or integer of its own in
//     nearly each row, as ids do.
//
// If the first message has an object "features", nested is true, and its members count.
func Infer(next func() (Record, error), rows int) (columns []Inferred, nested bool, err error) {
	var order []*column
	byName := map[string]*column{}
	n := 0
	for ; n < rows; n++ {
		r, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		object, names, err := membersOf(r.Value)
		if err != nil {
			continue // counted when it is read for good
		}
		if len(order) == 0 {
			_, _, err := membersOf(object["features"])
			nested = err == nil
		}
		if nested {
			if object, names, err = membersOf(object["features"]); err != nil {
				continue
			}
		}
		for _, name := range names {
			c := byName[name]
			if c == nil {
				c = &column{Inferred: Inferred{Name: name}, seen: map[string]bool{}}
				byName[name] = c
				order = append(order, c)
			}
			c.add(object[name])
		}
	}
	if n == 0 {
		return nil, false, errors.New("infer types: no rows")
	}
	for _, c := range order {
		columns = append(columns, c.judge(n))
	}
	return columns, nested, nil
}

// membersOf returns the members of an object, in their order.
func membersOf(message []byte) (map[string]json.RawMessage, []string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(message, &object); err != nil {
		return nil, nil, err
	}
	if object == nil {
		return nil, nil, errors.New("null is no object")
	}
	d := json.NewDecoder(bytes.NewReader(message))
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	var names []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, nil, err
		}
		names = append(names, key.(string))
	}
	return object, names, nil
}

func (c *column) add(raw json.RawMessage) {
	text := string(raw)
	switch {
	case text == "null":
		return
	case raw[0] == '{' || raw[0] == '[':
		c.composites++
	case text == "true" || text == "false":
		c.booleans++
	case raw[0] == '"':
		if json.Unmarshal(raw, &text) != nil {
			return
		}
		numbers := c.numbers
		c.classify(strings.TrimSpace(text))
		c.Quoted = c.Quoted || c.numbers > numbers
	default:
		c.classify(text)
	}
	c.Rows++
	if c.Example == "" {
		c.Example = text
	}
	if len(c.seen) < maxDistinct {
		c.seen[text] = true
	}
}

func (c *column) classify(text string) {
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) && !strings.ContainsAny(text, "xX_"):
		c.numbers++
		if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
			c.integers++
		}
	case isTime(text):
		c.times++
	default:
		c.texts++
	}
}

func isTime(s string) bool {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// judge decides. Of each hundred values one may be of another type.
func (c *column) judge(rows int) Inferred {
	n := c.Rows
	c.Distinct, c.Missing, c.Rows = len(c.seen), rows-n, rows
	most := func(count int) bool { return n > 0 && count*100 >= n*99 }
	unique := n >= 50 && c.Distinct*100 >= min(n, maxDistinct)*99
	skip := func(why string) { c.Skip, c.Reason = true, why }
	switch {
	case n == 0:
		skip("empty")
	case most(c.times):
		skip("times")
	case most(c.composites):
		skip("nested values")
	case most(c.integers) && unique && looksLikeID(c.Name):
		skip("a value of its own in each row, as ids have")
	case most(c.integers) && c.Distinct <= fewIntegers && n > 2*c.Distinct:
		c.Type, c.Reason = event.Categorical, fmt.Sprintf("integers of %d values", c.Distinct)
	case most(c.numbers):
		c.Type, c.Reason = event.Numeric, "numbers"
	case c.numbers > c.integers && c.numbers*2 >= n: // fractions are no categories
		c.Type, c.Reason = event.Numeric, "mostly numbers"
	case unique:
		skip("a text of its own in each row, as ids have")
	default:
		c.Type, c.Reason = event.Categorical, "texts"
		if most(c.booleans) {
			c.Reason = "true and false"
		}
	}
	return c.Inferred
}

func looksLikeID(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains([]string{"id", "row", "index"}, lower) || strings.HasSuffix(lower, "_id") || strings.HasSuffix(name, "Id") || strings.HasSuffix(name, "ID")
}
