package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestProfileFromKafka builds references from ranges of a topic whose timestamps do not ascend: they are those of a file with
// the records that are stamped in the range, whatever times the events have, but for where they say they come from.
func TestProfileFromKafka(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 3, keepForever)
		begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		var records []*kgo.Record
		for i := range 3000 {
			at := begin.Add(time.Duration(i+i*i%7*40) * time.Minute)
			value := fmt.Appendf(nil, `{"time":%d,"model":"a","features":{"x":%d,"c":"c%d"}}`, at.Unix()-5, i*i%977, i%13)
			switch i % 100 {
			case 7:
				value = []byte("broken")
			case 8:
				value = []byte(`{"model":"a","status":500,"features":{"x":1e9}}`)
			}
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: value, Timestamp: at})
		}
		testkafka.Produce(t, b.Client(t), records...)
		c := parseConfig(t, `kafka: {brokers: ["`+strings.Join(b.Bootstrap, `", "`)+`"]}
models: [{name: a, topics: {predictions: `+topic+`}, task: none, features: {x: numeric, c: categorical}}]
`)
		for _, r := range []struct{ from, to time.Time }{
			{},
			{from: begin.Add(10 * time.Hour)},
			{to: begin.Add(30 * time.Hour)},
			{begin.Add(10 * time.Hour), begin.Add(30 * time.Hour)},
			{begin.Add(600 * time.Minute), begin.Add(700 * time.Minute)},
		} {
			var lines []string
			for _, x := range records {
				if !x.Timestamp.Before(r.from) && (r.to.IsZero() || x.Timestamp.Before(r.to)) {
					lines = append(lines, string(x.Value))
				}
			}
			want, s, err := BuildProfile(t.Context(), c, ProfileOptions{Inputs: []string{writeLines(t, lines...)}})
			if err != nil {
				t.Fatal(err)
			}
			got, read, err := BuildProfile(t.Context(), c, ProfileOptions{FromKafka: true, From: r.from, To: r.to})
			if err != nil {
				t.Fatal(err)
			}
			if read != s || read.Rows+read.Failed+read.Rejected[event.Syntax] != uint64(len(lines)) {
				t.Errorf("%s to %s: read %+v, want %+v of %d lines", r.from, r.to, read, s, len(lines))
			}
			got.Provenance.Inputs = want.Provenance.Inputs
			x, _ := got.Encode()
			y, _ := want.Encode()
			if !bytes.Equal(x, y) {
				t.Errorf("%s to %s: the reference is\n%.500s\nwant\n%.500s", r.from, r.to, x, y)
			}
		}
		before := begin.Add(-time.Hour)
		if _, _, err := BuildProfile(t.Context(), c, ProfileOptions{FromKafka: true, To: before}); err == nil || !strings.Contains(err.Error(), "no rows") {
			t.Errorf("of an empty range: %v", err)
		}
	})
}
