package input

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
)

// answers decodes the rows of a file, and shows what their answers and labels are.
func answers(t *testing.T, name string, data []byte, m decode.Mapping) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := decode.Options{
		Schema:  event.Schema{Models: []string{"m"}, Answers: event.Answers{Interval: true, Probabilities: true, Items: true, Truth: true}},
		Mapping: m,
	}
	if r.Tabular() {
		if o.Mapping, err = TabularMapping(r.Columns(), o.Mapping, o.Schema); err != nil {
			t.Fatal(err)
		}
	}
	d, err := decode.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var ev event.Event
	for {
		row, err := r.Next()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if why := d.Decode(row.Value, &ev); why != event.Accepted {
			fmt.Fprintf(&out, "%v\n", d.LastError())
			continue
		}
		l := &ev.Truth
		fmt.Fprintf(&out, "%s %g..%g", ev.ID, ev.Lower.Number, ev.Upper.Number)
		for _, s := range ev.Scores {
			fmt.Fprintf(&out, " %s=%g", s.Class, s.P)
		}
		fmt.Fprintf(&out, " %s label %s %g", ev.Items, l.Text, l.Number)
		for _, i := range l.Items {
			fmt.Fprintf(&out, " %s=%g", i.Name, i.Relevance)
		}
		ok, why := d.LabelOf(&ev)
		fmt.Fprintf(&out, " %v %v %d\n", ok, why, ev.Time)
	}
}

func parquetOf[T any](t *testing.T, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAnswersInTables: answers and labels are the same in all forms of files.
func TestAnswersInTables(t *testing.T) {
	type answer struct {
		Lower  float64                `parquet:"lower"`
		Upper  float64                `parquet:"upper"`
		Scores struct{ A, B float64 } `parquet:"scores"`
		Items  []string               `parquet:"items,list"`
	}
	type nested struct {
		ID         string `parquet:"id"`
		Time       int64  `parquet:"time"`
		LabelTime  int64  `parquet:"label_time"`
		Prediction answer `parquet:"prediction"`
		Label      struct {
			Items []int64 `parquet:"items"`
		} `parquet:"label"`
	}
	type flat struct {
		ID        string   `parquet:"id"`
		Time      int64    `parquet:"time"`
		LabelTime int64    `parquet:"label_time"`
		Label     float64  `parquet:"label"`
		Lower     float64  `parquet:"prediction_lower"`
		Upper     float64  `parquet:"upper"`
		Items     []string `parquet:"items,list"`
		Relevant  []string `parquet:"label_items"`
	}
	withTime := decode.Mapping{LabelTime: "label_time"}
	const items = "1 0.5..2 A=0.25 B=0.75 [x 7] label  0 7=1 8=1 true  2000000000\n"
	row := nested{ID: "1", Time: 1, LabelTime: 2, Prediction: answer{Lower: 0.5, Upper: 2, Items: []string{"x", "7"}}}
	row.Prediction.Scores.A, row.Prediction.Scores.B, row.Label.Items = 0.25, 0.75, []int64{7, 8}
	for _, c := range []struct {
		name, text string
		mapping    decode.Mapping
		want       string
	}{
		{"a.jsonl", `{"id":"1","time":1,"label_time":2,"prediction":{"lower":0.5,"upper":2,"scores":{"A":0.25,"B":0.75},"items":["x",7]},"label":{"items":[7,8]}}`, withTime, items},
		{"a.parquet", string(parquetOf(t, row)), withTime, items},
		{"paths.csv", "id,time,label_time,prediction.lower,prediction.upper,prediction.scores,prediction.items,label.items\n1,1,2,0.5,2,\"{\"\"A\"\":0.25,\"\"B\"\":0.75}\",\"[\"\"x\"\",7]\",\"[7, 8]\"\n", withTime, items},
		{"usual.csv", "id,time,label_time,prediction_lower,prediction_upper,prediction_scores,prediction_items,label_items\n1,1,2,0.5,2,\"{\"\"A\"\":0.25,\"\"B\"\":0.75}\",\"[\"\"x\"\",7]\",\"{\"\"7\"\":1,\"\"8\"\":1}\"\n", withTime, items},
		{"last.csv", "id,time,lower,upper,scores,items,label_items,label_time\n1,1,0.5,2,\"{\"\"A\"\":0.25,\"\"B\"\":0.75}\",\"[\"\"x\"\",7]\",\"[7,8]\",2\n", withTime, items},
		{
			"mapped.csv", "id,time,label_time,lo,hi,all p,rec,clicks\n1,1,2,0.5,2,\"{\"\"A\"\":0.25,\"\"B\"\":0.75}\",\"[\"\"x\"\",7]\",\"[7,8]\"\n",
			decode.Mapping{LabelTime: "label_time", Lower: "out.lo", Upper: "hi", Scores: "$['all p']", Items: "rec", LabelItems: "clicks"}, items,
		},
		{"flat.parquet", string(parquetOf(t, flat{"1", 1, 2, 0.5, 1, 2, []string{"x"}, []string{"y", "z"}})), withTime, "1 1..2 [x] label  0.5 y=1 z=1 true  2000000000\n"},
		{"label.csv", "id,time,label,label_time\n1,1,fraud,2\n2,1,1,\n3,1,,2\n", withTime, "1 0..0 [] label fraud 0 true  2000000000\n2 0..0 [] label 1 1 false  1000000000\n3 0..0 [] label  0 false  1000000000\n"},
		{"labels.csv", "type,id,time,label_items\nlabel,1,1,\"[\"\"x\"\"]\"\nlabel,2,1,[]\nlabel,3,1,\nlabel,4,1,x\n", decode.Mapping{}, "1 0..0 [] label  0 x=1 false  1000000000\n2 0..0 [] label  0 false  1000000000\nenvelope: a label without its label\n4 0..0 [] label  0 false  1000000000\n"},
	} {
		if got := answers(t, c.name, []byte(c.text), c.mapping); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, c.want)
		}
	}
}
