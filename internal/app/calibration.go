package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/profile"
)

// WindowCalibration is how well a reference knows its windows of one length.
type WindowCalibration struct {
	// Window is the name of the length, such as 24h.
	Window string
	Length time.Duration
	// Independent: the reference tells of no windows at all.
	Independent bool
	// Least and Most are the numbers of disjoint windows of the features that have the fewest and the most.
	Least, Most int
	// Insufficient are the features that have too few, of Features in all.
	Insufficient []string
	Features     int
	// More is how much more data it takes; 0 if there is enough, but too few values a window.
	More time.Duration
	// From is the shorter length whose windows are taken for these; empty if there are none.
	From string
}

// Calibrations tells how well a reference knows windows of each length, which may be nil: those that it was built for.
// Of its features it looks at those that are wanted; nil are all.
func Calibrations(r *profile.Reference, windows []config.Window, wanted []string) []WindowCalibration {
	if windows == nil {
		for _, l := range calibratedLengths(r) {
			windows = append(windows, config.Window{Name: LengthName(l), Length: l})
		}
	}
	var out []WindowCalibration
	for _, w := range windows {
		c := WindowCalibration{Window: w.Name, Length: w.Length}
		for i := range r.Features {
			if f := &r.Features[i]; wanted == nil || slices.Contains(wanted, f.Name) {
				c.add(f)
			}
		}
		if span := referenceSpan(r); len(c.Insufficient) > 0 && span < drift.MinDisjoint*w.Length {
			c.More = max(drift.MinDisjoint*w.Length-span, w.Length).Round(time.Second)
		}
		out = append(out, c)
	}
	return out
}

func (c *WindowCalibration) add(f *profile.Feature) {
	c.Features++
	k := f.Calibration(int64(c.Length))
	if k == nil {
		c.Independent = true
		return
	}
	own := 0
	for _, o := range f.Calibrations {
		if o.Length == int64(c.Length) {
			own = o.Disjoint
		}
	}
	if c.Features == 1 {
		c.Least = own
	}
	c.Least, c.Most = min(c.Least, own), max(c.Most, own)
	if k.Sufficient() {
		return
	}
	c.Insufficient = append(c.Insufficient, f.Name)
	if k.Borrowed {
		c.From = LengthName(time.Duration(k.Length))
	}
}

// calibratedLengths returns those that the reference was built for.
func calibratedLengths(r *profile.Reference) (lengths []time.Duration) {
	for i := range r.Features {
		for _, c := range r.Features[i].Calibrations {
			lengths = append(lengths, time.Duration(c.Length))
		}
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}

// referenceSpan is the time from the first row to the last, gaps included; 0 if it is not known.
func referenceSpan(r *profile.Reference) time.Duration {
	first, err := time.Parse(time.RFC3339Nano, r.Provenance.First)
	if err != nil {
		return 0
	}
	last, err := time.Parse(time.RFC3339Nano, r.Provenance.Last)
	if err != nil {
		return 0
	}
	return last.Sub(first)
}

// LengthName is a length of windows as it is usually written: 24h, but 7d.
func LengthName(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return config.FormatDuration(d)
}

// ReferenceCalibrations is how well a model's reference knows the windows of the config.
type ReferenceCalibrations struct {
	// Version is empty for the reference of all versions without their own.
	Version string
	Windows []WindowCalibration
}

// ModelCalibrations tells how well the references of a model know the windows of the config.
func ModelCalibrations(c *config.Config, m *config.Model) (out []ReferenceCalibrations, err error) {
	files := map[string]string{}
	if m.Reference.File != "" {
		files[""] = m.Reference.File
	}
	for version, file := range m.Reference.Versions {
		files[version] = file
	}
	var features []string
	for _, f := range m.AllFeatures() {
		features = append(features, f.Name)
	}
	for version, file := range files {
		r, err := LoadProfile(file)
		if err != nil {
			return nil, err
		}
		out = append(out, ReferenceCalibrations{version, Calibrations(r, c.Windows, features)})
	}
	slices.SortFunc(out, func(a, b ReferenceCalibrations) int { return strings.Compare(a.Version, b.Version) })
	return out, nil
}
