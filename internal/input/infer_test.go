package input

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
)

// infer returns "name: type" or "name: -", and the reason, of each column of CSV rows.
func infer(t *testing.T, header string, n int, cells func(i int) string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		b.WriteString(cells(i) + "\n")
	}
	r, err := Open("-", Options{Stdin: strings.NewReader(b.String()), Format: CSV})
	if err != nil {
		t.Fatal(err)
	}
	columns, _, err := Infer(r.Next, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range columns {
		kind := c.Type.String()
		if c.Skip {
			kind = "-"
		}
		out = append(out, c.Name+": "+kind)
	}
	return strings.Join(out, "; ")
}

func TestInfer(t *testing.T) {
	for _, c := range []struct {
		name, header string
		cells        func(i int) string
		want         string
	}{
		{"numbers", "a,b", func(i int) string { return fmt.Sprintf("%d.5,%d", i, i*i) }, "a: numeric; b: numeric"},
		{"codes", "a,b", func(i int) string { return fmt.Sprintf("%d,%d", i%3, i%40) }, "a: categorical; b: numeric"},
		{"texts", "a,b", func(i int) string { return fmt.Sprintf("x%d,%v", i%7, i%2 == 0) }, "a: categorical; b: categorical"},
		{"ids", "user_id,userId,paid,note", func(i int) string { return fmt.Sprintf("%d,%d,%d,text %d", i, i, 7*i, i) }, "user_id: -; userId: -; paid: numeric; note: -"},
		{"times", "a,b", func(i int) string { return fmt.Sprintf("2013-04-01T00:00:%02dZ,2013-04-%02d", i%60, 1+i%30) }, "a: -; b: -"},
		{"one odd value in 200", "a", func(i int) string { return strings.Repeat("x", 1-min(i, 1)) + strings.Repeat("1.5", min(i, 1)) }, "a: numeric"},
		{"five odd values in 200", "a,b", func(i int) string { return []string{"x,x", "1.5,77"}[min(i/5, 1)] }, "a: numeric; b: categorical"},
		{"large numbers", "a", func(int) string { return "1e300" }, "a: numeric"},
		{"missing values", "a,b", func(i int) string { return []string{",x", "1.5,"}[i%2] }, "b: categorical; a: numeric"},
		{"infinities and hex", "a,b", func(i int) string { return fmt.Sprintf("%s,0x%x", []string{"inf", "nan"}[i%2], i%16) }, "a: categorical; b: categorical"},
	} {
		if got := infer(t, c.header, 200, c.cells); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestInferFlights(t *testing.T) {
	r, err := Open("../../testdata/flights/flights_lga.csv.gz", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	inferred, _, err := Infer(r.Next, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range inferred {
		got[f.Name] = f.Type.String()
		if f.Skip {
			got[f.Name] = "-"
		}
	}
	want := map[string]string{
		"id": "-", "departed": "-", "arrived": "-",
		"dep_delay": "numeric", "distance": "numeric", "hour": "numeric", "temp": "numeric", "wind_speed": "numeric", "visib": "numeric",
		"precip": "numeric", "pressure": "numeric", "score": "numeric", "arr_delay": "numeric",
		"carrier": "categorical", "dest": "categorical", "weekday": "categorical", "predicted": "categorical", "actual": "categorical",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestInferReadsNoMore: it stops at the given number of rows, and says so when there is none.
func TestInferReadsNoMore(t *testing.T) {
	n := 0
	next := func() (Record, error) {
		n++
		return Record{Value: []byte(`{"features":{"x":1.5},"id":"a"}`)}, nil
	}
	got, nested, err := Infer(next, 10)
	if err != nil || !nested || n != 10 || len(got) != 1 || got[0].Name != "x" || got[0].Rows != 10 {
		t.Errorf("%+v, %v after %d rows", got, err, n)
	}
	if _, _, err := Infer(func() (Record, error) { return Record{}, io.EOF }, 10); err == nil {
		t.Error("no error without rows")
	}
}

func paths(names ...string) (out [][]string) {
	for _, n := range names {
		out = append(out, []string{n})
	}
	return out
}

// TestTruthIsNoAnswer: the column of the true label is not taken for the model's answer.
func TestTruthIsNoAnswer(t *testing.T) {
	s := event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: event.PredictionLabel, Type: event.Categorical}}}
	for _, given := range []string{"", "$.prediction.label"} {
		m, err := TabularMapping(paths("time", "label"), decode.Mapping{Label: given}, s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := decode.New(decode.Options{Schema: s, Mapping: m})
		if err != nil {
			t.Fatal(err)
		}
		var ev event.Event
		if d.Decode([]byte(`{"time":"2013-04-01T00:00:00Z","label":"late"}`), &ev); ev.Features[0].State != event.Missing {
			t.Errorf("with path %q: %s", given, ev.Features[0].Text)
		}
	}
}

// TestTabularMapping finds the columns of a file for the fields of a mapping, and decodes
// a row by them.
func TestTabularMapping(t *testing.T) {
	s := event.Schema{
		Models: []string{"m"}, Segments: []string{"country"},
		Features: []event.Feature{{Name: "amount"}, {Name: "a.b"}, {Name: "shop", Type: event.Categorical}, {Name: event.PredictionScore}, {Name: event.PredictionLabel, Type: event.Categorical}},
	}
	for _, c := range []struct {
		name    string
		columns [][]string
		mapping decode.Mapping
		row     string
	}{
		{"last names", paths("id", "time", "amount", "a.b", "shop", "label", "score", "prediction_label", "country"), decode.Mapping{Score: "$.prediction.score"},
			`{"time":"2013-04-01T00:00:00Z","amount":"1.5","a.b":"2","shop":"x","label":"the truth","score":"0.5","prediction_label":"late","country":"US"}`},
		{"whole paths", paths("time", "features.amount", "features.a.b", "features.shop", "prediction.score", "prediction.label", "segments.country"), decode.Mapping{},
			`{"time":"2013-04-01T00:00:00Z","features.amount":"1.5","features.a.b":"2","features.shop":"x","prediction.score":"0.5","prediction.label":"late","segments.country":"US"}`},
		{"paths of a config", paths("at", "amount", "a.b", "store", "p", "decision", "country", "label"),
			decode.Mapping{Time: "$.at", Features: "$", Segments: "$", Score: "$.p", Label: "$.decision", FeaturePaths: map[string]string{"shop": "$.store"}},
			`{"at":"2013-04-01T00:00:00Z","amount":"1.5","a.b":"2","store":"x","p":"0.5","decision":"late","country":"US","label":"true one"}`},
		{"groups of Parquet", [][]string{{"time"}, {"features", "amount"}, {"features", "a.b"}, {"features", "shop"}, {"prediction", "score"}, {"prediction", "label"}, {"segments", "country"}}, decode.Mapping{},
			`{"time":"2013-04-01T00:00:00Z","features":{"amount":1.5,"a.b":2,"shop":"x"},"prediction":{"score":0.5,"label":"late"},"segments":{"country":"US"}}`},
	} {
		m, err := TabularMapping(c.columns, c.mapping, s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := decode.New(decode.Options{Schema: s, Mapping: m})
		if err != nil {
			t.Fatal(err)
		}
		var ev event.Event
		if r := d.Decode([]byte(c.row), &ev); r != event.Accepted {
			t.Fatalf("%s: %v, %v", c.name, r, d.LastError())
		}
		got := fmt.Sprintf("%g %g %s %g %s %s", ev.Features[0].Number, ev.Features[1].Number, ev.Features[2].Text, ev.Features[3].Number, ev.Features[4].Text, ev.Segments[0])
		if got != "1.5 2 x 0.5 late US" {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
