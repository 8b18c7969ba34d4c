package profile

import (
	"errors"
	"fmt"

	"github.com/streammon/streammon/internal/drift"
)

// Sample returns the feature as the reference of windows of a length in nanoseconds.
func (f *Feature) Sample(length int64) drift.Sample {
	s := f.sample
	s.Calibration = f.Calibration(length)
	return s
}

// Calibration returns how the feature varies between windows of a length; nil if the rows had no times. Where the
// reference has too few windows of that length, or was not asked for it, it is that of the longest shorter
// windows of which there are enough: what varies between short windows varies less between long ones. It is not
// sufficient then.
func (f *Feature) Calibration(length int64) *drift.Calibration {
	if len(f.Calibrations) == 0 {
		return nil
	}
	var own, shorter *drift.Calibration
	for i := range f.Calibrations {
		switch c := &f.Calibrations[i]; {
		case c.Length == length:
			own = c
		case c.Length < length && (c.Sufficient() || shorter == nil || !shorter.Sufficient()):
			shorter = c
		}
	}
	switch {
	case own != nil && (own.Sufficient() || shorter == nil || !shorter.Sufficient()):
		return own
	case shorter == nil:
		return &drift.Calibration{Length: length}
	}
	borrowed := *shorter
	borrowed.Borrowed = true
	return &borrowed
}

// calibrationFile is a calibration in a reference's file.
type calibrationFile struct {
	Length   int64              `json:"length_ns"`
	Windows  int                `json:"windows"`
	Disjoint int                `json:"disjoint"`
	Size     float64            `json:"size"`
	Bins     int                `json:"bins"`
	Trace    float64            `json:"trace"`
	Square   float64            `json:"square"`
	Excess   map[string]float64 `json:"excess,omitempty"`
	Degrees  float64            `json:"degrees"`
}

func (f *Feature) calibrationFiles() (files []calibrationFile) {
	for _, c := range f.Calibrations {
		files = append(files, calibrationFile{c.Length, c.Windows, c.Disjoint, c.Size, c.Bins, c.Trace, c.Square, c.Excess, c.Degrees})
	}
	return files
}

func readCalibrations(files []calibrationFile) (out []drift.Calibration, err error) {
	before := int64(0)
	for _, c := range files {
		if c.Length <= before {
			return nil, errors.New("calibrations are not in the order of their lengths")
		}
		before = c.Length
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("calibration of %d ns: %w", c.Length, err)
		}
		out = append(out, drift.Calibration{
			Length: c.Length, Windows: c.Windows, Disjoint: c.Disjoint, Size: c.Size, Bins: c.Bins,
			Trace: c.Trace, Square: c.Square, Excess: c.Excess, Degrees: c.Degrees,
		})
	}
	return out, nil
}

func (c *calibrationFile) check() error {
	if c.Disjoint < 0 || c.Windows < c.Disjoint {
		return fmt.Errorf("%d disjoint windows of %d", c.Disjoint, c.Windows)
	}
	if c.Disjoint >= 3 && !(c.Size >= 1) {
		return fmt.Errorf("windows of %g values", c.Size)
	}
	if min(float64(c.Bins), c.Size, c.Square, c.Degrees) < 0 {
		return errors.New("a variation below 0")
	}
	least := 0.0 // of what is above that of independent values, 1/Size a dimension
	if c.Size >= 1 {
		least = drift.LeastExcess(c.Size)
	}
	if c.Trace < float64(c.Bins)*least {
		return errors.New("too small a variation")
	}
	for s, x := range c.Excess {
		if x < least {
			return fmt.Errorf("too small a variation of %s", s)
		}
	}
	return nil
}
