package pipeline

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// The first byte of a label's binary form: what follows.
const (
	truthText = 1 << iota
	truthNumber
	truthItems
	truthBadItems // and nothing of them
)

var errTruth = errors.New("a label that says what no label can")

// appendTruth writes what a label says.
func appendTruth(b []byte, t *event.Truth) []byte {
	at := len(b)
	b = append(b, 0)
	if t.HasText {
		b[at] |= truthText
		b = append(binary.AppendUvarint(b, uint64(len(t.Text))), t.Text...)
	}
	if t.HasNumber {
		b[at] |= truthNumber
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.Number))
	}
	switch t.ItemsState {
	case event.Invalid:
		b[at] |= truthBadItems
	case event.Valid:
		b[at] |= truthItems
		b = binary.AppendUvarint(b, uint64(len(t.Items)))
		for _, i := range t.Items {
			b = append(binary.AppendUvarint(b, uint64(len(i.Name))), i.Name...)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(i.Relevance))
		}
	}
	return b
}

// readTruth reads what appendTruth wrote. Texts alias the input; t's items are used again.
func readTruth(d *sketch.Decoder, t *event.Truth) {
	*t = event.Truth{Items: t.Items[:0]}
	has := d.Byte()
	if has >= truthBadItems<<1 || has&truthItems != 0 && has&truthBadItems != 0 {
		d.Fail(errTruth)
	}
	if has&truthText != 0 {
		t.Text, t.HasText = d.Bytes(d.Length(1)), true
	}
	if has&truthNumber != 0 {
		t.Number, t.HasNumber = d.Float(), true
	}
	switch {
	case has&truthBadItems != 0:
		t.ItemsState = event.Invalid
	case has&truthItems != 0:
		t.ItemsState = event.Valid
		n := d.Length(9)
		if n > event.MaxItems {
			d.Fail(errTruth)
		}
		for range n {
			i := event.Item{Name: d.Bytes(d.Length(1)), Relevance: d.Float()}
			if d.Err() != nil || i.Relevance < 0 {
				d.Fail(errTruth)
				return
			}
			t.Items = append(t.Items, i)
		}
	}
}

// checkTruth fails if a text is not what appendTruth wrote.
func checkTruth(text string) error {
	d := sketch.NewDecoder([]byte(text))
	readTruth(d, &event.Truth{})
	rest, err := d.End("label")
	if err == nil && len(rest) > 0 {
		err = errTruth
	}
	return err
}
