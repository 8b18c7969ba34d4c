package drift

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// Versions of the binary forms: the first byte of each.
const (
	adwinVersion       = 1
	pageHinkleyVersion = 1
	ddmVersion         = 1
	hddmaVersion       = 1
	hddmwVersion       = 1
)

// ErrOptions is the failure of reading a detector that was made with other options.
var ErrOptions = errors.New("made with other options")

var errDamaged = errors.New("damaged")

func appendFloats(b []byte, fs ...float64) []byte {
	for _, f := range fs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

// bit is a switch among numbers.
func bit(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// readOptions fails unless what is read are these options.
func readOptions(d *sketch.Decoder, options ...float64) {
	for _, o := range options {
		if d.Float() != o {
			d.Fail(ErrOptions)
		}
	}
}

// check fails unless all of it holds.
func check(d *sketch.Decoder, holds ...bool) {
	for _, h := range holds {
		if !h {
			d.Fail(errDamaged)
		}
	}
}

func (c *course) appendTo(b []byte) []byte {
	level := byte(0)
	switch c.state.Level {
	case Warning:
		level = 1
	case Change:
		level = 2
	}
	b = append(binary.AppendUvarint(b, c.now), level)
	return binary.AppendUvarint(binary.AppendUvarint(b, c.state.Began), c.warned)
}

func readCourse(d *sketch.Decoder) course {
	c := course{now: d.Count()}
	switch level := d.Byte(); level {
	case 0:
	case 1:
		c.state.Level = Warning
	case 2:
		c.state.Level = Change
	default:
		d.Fail(errDamaged)
	}
	c.state.Began, c.warned = d.Count(), d.Count()
	check(d, c.state.Level == Change || c.state.Began == 0, (c.warned > 0) == (c.state.Level == Warning),
		c.warned <= c.now)
	return c
}

func (t *tally) appendTo(b []byte) []byte {
	return binary.AppendUvarint(appendFloats(b, t.sum, t.n), t.panes)
}

// readTally reads panes of a ratio that lie in the time up to now.
func readTally(d *sketch.Decoder, now uint64) tally {
	t := tally{d.Float(), d.Float(), d.Count()}
	check(d, t.sum >= 0, t.sum <= t.n, t.n >= float64(t.panes), t.panes <= now, t.panes > 0 || t.n == 0)
	return t
}
