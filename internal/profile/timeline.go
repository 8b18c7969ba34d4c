package profile

import (
	"cmp"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// timeline keeps when a reference's rows were, and which of them lack a value, so that windows can be cut from
// them. Rows without a time are in none.
type timeline struct {
	lengths []int64
	times   []int64    // of the rows; 0 is unknown
	absent  [][]uint32 // rows without a valid value, by feature
	hashes  [][]uint64 // the values of a categorical feature, in the order of rows
	untimed uint64
	order   []uint32 // of the rows that have a time, the earliest first
	grids   []grid
}

func newTimeline(lengths []int64, features int) *timeline {
	lengths = slices.Compact(slices.Sorted(slices.Values(lengths)))
	return &timeline{lengths: lengths, absent: make([][]uint32, features), hashes: make([][]uint64, features)}
}

// row begins the next row.
func (t *timeline) row(time int64) {
	t.times = append(t.times, time)
	if time == 0 {
		t.untimed++
	}
}

// value notes that of a feature in the row that was begun.
func (t *timeline) value(i int, v *event.Value, kind event.Type) {
	switch {
	case v.State != event.Valid:
		t.absent[i] = append(t.absent[i], uint32(len(t.times)-1))
	case kind == event.Categorical:
		t.hashes[i] = append(t.hashes[i], sketch.HashText(v.Text))
	}
}

// cut orders the rows and cuts the windows, after the last row.
func (t *timeline) cut() {
	for i, time := range t.times {
		if time != 0 {
			t.order = append(t.order, uint32(i))
		}
	}
	slices.SortFunc(t.order, func(a, b uint32) int { return cmp.Compare(t.times[a], t.times[b]) })
	sorted := make([]int64, len(t.order))
	for i, row := range t.order {
		sorted[i] = t.times[row]
	}
	for _, length := range t.lengths {
		if len(sorted) > 0 {
			t.grids = append(t.grids, newGrid(sorted, length))
		}
	}
}

// absentBin is the bin of a row without a valid value.
const absentBin = -1

// column is a feature's values in the order of time: of each row its bin, and of a numeric feature the value.
type column struct {
	bins   []int32
	values []float64
}

// numeric returns the column of a numeric feature, of which values has the valid values in the order of rows.
func (t *timeline) numeric(i int, f *Feature, values []float64) column {
	rows := spreadOut(values, t.absent[i], len(t.times), math.NaN())
	c := column{make([]int32, len(t.order)), make([]float64, len(t.order))}
	for k, row := range t.order {
		x := rows[row]
		if c.values[k] = x; x != x {
			c.bins[k] = absentBin
		} else {
			c.bins[k] = int32(f.Bins.Index(x))
		}
	}
	return c
}

// categorical returns the column of a categorical feature.
func (t *timeline) categorical(i int, f *Feature) column {
	bins := make(map[uint64]int32, len(f.Categories))
	for k, name := range f.Categories {
		bins[sketch.HashText([]byte(name))] = int32(k)
	}
	found := make([]int32, len(t.hashes[i]))
	for k, h := range t.hashes[i] {
		bin, ok := bins[h]
		if !ok {
			bin = int32(len(f.Categories))
		}
		found[k] = bin
	}
	rows := spreadOut(found, t.absent[i], len(t.times), absentBin)
	c := column{bins: make([]int32, len(t.order))}
	for k, row := range t.order {
		c.bins[k] = rows[row]
	}
	return c
}

// spreadOut puts the values into n rows, of which the absent ones have none.
func spreadOut[T any](values []T, absent []uint32, n int, none T) []T {
	if len(absent) == 0 {
		return values
	}
	rows := make([]T, n)
	for i := range rows {
		if len(absent) > 0 && absent[0] == uint32(i) {
			rows[i], absent = none, absent[1:]
		} else {
			rows[i], values = values[0], values[1:]
		}
	}
	return rows
}

// calibrations returns those of a feature, the shortest windows first.
func (t *timeline) calibrations(f *Feature, c column) []drift.Calibration {
	var out []drift.Calibration
	for i := range t.grids {
		out = append(out, t.grids[i].calibrate(f, c))
	}
	return out
}
