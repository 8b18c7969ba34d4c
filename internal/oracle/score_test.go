package oracle

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readPair reads an answer and its label.
func readPair(t *testing.T, task *Task, prediction, label string) pair {
	t.Helper()
	value := func(text string) any {
		v, reason := parse([]byte(text))
		if reason != 0 {
			t.Fatalf("%s is rejected as %s", text, reason)
		}
		return v
	}
	truth := readTruth(task, value(label))
	if truth == nil {
		t.Fatalf("%s says nothing", label)
	}
	return pair{readAnswer(task, value(prediction)), *truth}
}

func TestFiguresByHand(t *testing.T) {
	binary := &Task{Kind: Binary, Positive: "1"}
	multiclass := &Task{Kind: Multiclass, Classes: []string{"a", "b"}}
	regression := &Task{Kind: Regression}
	ranking := &Task{Kind: Ranking, K: []int{1, 3}}
	ln := math.Log
	for _, c := range []struct {
		name  string
		task  *Task
		pairs [][2]string
		want  map[string]float64
	}{
		{"nothing", binary, nil, map[string]float64{}},
		{"binary", binary, [][2]string{
			{`{"score":0.75,"label":1}`, `"1"`},
			{`{"score":0.5,"label":"1"}`, `0`},
			{`{"score":0.25,"label":"no"}`, `1`},
			{`{"score":0.25,"label":"0"}`, `"no"`},
			{`{"label":"0"}`, `0`}, // no score
			{`{"score":"x","label":1.5}`, `1`},
			{`null`, `1`},
		}, map[string]float64{
			"accuracy": 3.0 / 5, "precision": 0.5, "recall": 0.5, "f1": 0.5,
			// 0.75 is above both negatives, 0.25 below one and equal to the other.
			"roc_auc": 2.5 / 4, "log_loss": -(ln(0.75) + ln(0.5) + ln(0.25) + ln(0.75)) / 4, "brier_score": (0.0625 + 0.25 + 0.5625 + 0.0625) / 4,
		}},
		{"scores that are no probabilities", binary, [][2]string{{`{"score":1.5}`, "1"}, {`{"score":-2}`, "0"}, {`{"score":true}`, "0"}},
			map[string]float64{"roc_auc": 1, "log_loss": 52 * ln(2), "brier_score": 1}},
		{"negatives only", binary, [][2]string{{`{"label":0,"score":0}`, "0"}, {`{"label":0,"score":1e-10}`, "0"}},
			map[string]float64{"accuracy": 1, "log_loss": -(math.Log1p(-0x1p-52) + math.Log1p(-1e-10)) / 2, "brier_score": 1e-20 / 2}},
		{"a small chance", binary, [][2]string{{`{"score":1e-10}`, "1"}}, map[string]float64{"log_loss": 10 * ln(10), "brier_score": square(1 - 1e-10)}},
		{"multiclass", multiclass, [][2]string{
			{`{"label":"a","scores":{"a":0.5,"b":0.25,"c":0.125,"d":0.125}}`, `"a"`},
			{`{"label":"x"}`, `"y"`}, // both are another one
			{`{"label":"b","scores":{"a":1,"x":null}}`, `"x"`},
			{`{"scores":{"b":0.5,"y":0.125,"z":0.375}}`, `"x"`}, // b, before all others
			{`{"scores":{"y":0.375,"a":0.25,"z":0.375}}`, `"x"`},
			{`{"scores":{"b":"0.5"}}`, `"a"`},
			{`{"scores":{"a":1.5}}`, `"a"`},
			{`{"scores":{"a":-0.5}}`, `"a"`},
			{`{"scores":[0.5]}`, `"a"`},
		}, map[string]float64{"accuracy": 3.0 / 5, "log_loss": (ln(2) + 52*ln(2) + ln(2) - ln(0.75)) / 4}},
		{"regression", regression, [][2]string{{`{"value":3}`, "1"}, {`{"value":2}`, "3"}, {`{"value":true}`, "2"}, {`{"value":null}`, "100"}},
			map[string]float64{"mae": 4.0 / 3, "rmse": math.Sqrt(2), "r2": 1 - 6.0/2}},
		{"one target", regression, [][2]string{{`{"value":3}`, "1"}}, map[string]float64{"mae": 2, "rmse": 2}},
		{"constant targets", regression, [][2]string{{`{"value":3}`, "0.1"}, {`{"value":3}`, "0.1"}, {`{"value":3}`, "0.1"}},
			map[string]float64{"mae": 2.9, "rmse": 2.9}},
		{"ranking", ranking, [][2]string{
			{`{"items":["x",7,"y"]}`, `{"items":["7","z"]}`},
			{`{"items":["x","z"]}`, `{"items":{"x":1,"y":3,"z":2,"w":0}}`},
			{`{"items":["x","z"]}`, `{"items":[]}`},
			{`{}`, `{"items":["x"]}`},
			{`{"items":["x",null]}`, `{"items":["x"]}`},
		}, map[string]float64{
			"ndcg@1": (0 + 1.0/3) / 2, "hit_rate@1": 0.5, "mean_reciprocal_rank@1": 0.5,
			"ndcg@3":     (1/math.Log2(3)/(1+1/math.Log2(3)) + (1+2/math.Log2(3))/(3+2/math.Log2(3)+0.5)) / 2,
			"hit_rate@3": 1, "mean_reciprocal_rank@3": 0.75,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pairs []pair
			for _, texts := range c.pairs {
				pairs = append(pairs, readPair(t, c.task, texts[0], texts[1]))
			}
			if diff := cmp.Diff(c.want, c.task.figures(pairs), near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTruths(t *testing.T) {
	tasks := map[Kind]*Task{
		Binary: {Kind: Binary, Positive: "1"}, Multiclass: {Kind: Multiclass, Classes: []string{"a"}}, Regression: {Kind: Regression}, Ranking: {Kind: Ranking},
	}
	for _, c := range []struct {
		kind Kind
		a, b string
		same bool
	}{
		{Binary, `"1"`, "1.0", true},
		{Binary, `"0"`, "false", true},
		{Binary, "1", "true", false},
		{Multiclass, `"b"`, `"c"`, true},
		{Multiclass, `"a"`, `"b"`, false},
		{Regression, "1", "true", true},
		{Regression, "1", "1.5", false},
		{Ranking, `{"items":["a","b"]}`, `{"items":{"b":1,"a":1,"c":0,"d":null}}`, true},
		{Ranking, `{"items":["a"]}`, `{"items":{"a":2}}`, false},
		{Ranking, `{"items":[]}`, `{"items":["a"]}`, false},
	} {
		a, b := readPair(t, tasks[c.kind], "null", c.a).truth, readPair(t, tasks[c.kind], "null", c.b).truth
		if a.says(&b) != c.same || b.says(&a) != c.same {
			t.Errorf("%s and %s say the same: %v", c.a, c.b, !c.same)
		}
	}
	for kind, texts := range map[Kind][]string{
		Binary: {"0.5", "{}"}, Multiclass: {"0.5", `{"items":["a"]}`}, Regression: {`"1"`, "{}", "1e999"},
		Ranking: {`"a"`, "1", "{}", `{"items":"a"}`, `{"items":[[]]}`, `{"items":[true]}`, `{"items":{"a":"1"}}`, `{"items":{"a":-1}}`, `{"items":null}`},
	} {
		for _, text := range texts {
			if v, _ := parse([]byte(text)); readTruth(tasks[kind], v) != nil {
				t.Errorf("%s says something to task %d", text, kind)
			}
		}
	}
}
