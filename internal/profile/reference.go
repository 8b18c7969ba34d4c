package profile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// FormatVersion is the version of the newest profile files: those with a performance. Others are written as version 2, and
// version 1, which has no calibrations, is read, too.
const FormatVersion = 3

// Provenance says where a reference comes from; it is no part of its fingerprint.
type Provenance struct {
	// Inputs are the names of the files, or the Kafka range, that were read.
	Inputs []string `json:"inputs,omitempty"`
	// Builder is the version of streammon that built it.
	Builder string `json:"builder,omitempty"`
	// First and Last are the smallest and largest event times, RFC 3339, if rows
	// carried times.
	First string `json:"first_event,omitempty"`
	Last  string `json:"last_event,omitempty"`
}

// Reference is the frozen profile of the data that a model was trained or
// validated on. It holds sketches and counts, never rows. It never changes.
type Reference struct {
	Rows       uint64
	Features   []Feature
	Segments   map[string][]string // values of a segmentation, most frequent first
	Provenance Provenance
	// Performance is nil if it is not known: the rows had no labels, or no config said what is right.
	Performance *Performance
	Fingerprint string // of everything but the provenance
}

// Feature is one feature of a reference.
type Feature struct {
	event.Feature
	Count, Missing, Invalid uint64
	Distinct                sketch.Distinct
	// Calibrations tell how it varies between windows of a length, the shortest first; none if rows had no times.
	Calibrations []drift.Calibration

	// Of a numeric feature: moments, range, the bins with the reference's counts,
	// which of their edges are deciles', and the distances from the median.
	Moments         sketch.Moments
	Min, Max        float64
	Median, StdDev  float64
	Bins            *sketch.Bins
	Counts          []uint64 // of a numeric feature's bins
	DecileEdge      []bool   // of each of Bins' edges
	Distances       sketch.ExpHistogram
	Quantiles       sketch.Quantiles
	Categories      []string // of a categorical feature, in byte order
	CategoryCounts  []uint64 // of Categories
	OtherCategories uint64   // values of categories that are too many to be listed
	category        map[string]int

	sample drift.Sample // of all windows, without a calibration
}

// Find returns the feature of that name, or nil.
func (r *Reference) Find(name string) *Feature {
	for i := range r.Features {
		if r.Features[i].Name == name {
			return &r.Features[i]
		}
	}
	return nil
}

// Deciles returns the reference's counts in its at most ten decile bins.
func (f *Feature) Deciles() []uint64 { return f.sample.Bins }

// AppendDeciles appends to dst the sums of the fine counts between decile edges.
func (f *Feature) AppendDeciles(dst, counts []uint64) []uint64 {
	var sum uint64
	for i := range f.DecileEdge {
		if i < len(counts) {
			sum += counts[i]
		}
		if f.DecileEdge[i] {
			dst = append(dst, sum)
			sum = 0
		}
	}
	if n := len(f.DecileEdge); n < len(counts) {
		sum += counts[n]
	}
	return append(dst, sum)
}

// AppendCategoryCounts appends the reference's side of the categorical bins: its
// categories and what is not listed.
func (f *Feature) AppendCategoryCounts(dst []uint64) []uint64 {
	return append(append(dst, f.CategoryCounts...), f.OtherCategories)
}

// complete derives what is not stored.
func (f *Feature) complete() {
	f.sample.Absent = f.Missing + f.Invalid
	if f.Type == event.Numeric {
		f.Min, f.Max, f.StdDev = f.Moments.Min, f.Moments.Max, f.Moments.StdDev()
		distances := f.Distances
		f.sample.Bins, f.sample.Fine, f.sample.Exp, f.sample.StdDev = f.AppendDeciles(nil, f.Counts), f.Counts, &distances, f.StdDev
		f.sample.Prepare()
		return
	}
	f.sample.Bins = f.AppendCategoryCounts(nil)
	f.category = make(map[string]int, len(f.Categories))
	for i, c := range f.Categories {
		f.category[c] = i
	}
}

// The file: JSON with the sketches' own binary forms in base64.
type referenceFile struct {
	Format      string              `json:"format"`
	Version     int                 `json:"version"`
	Fingerprint string              `json:"fingerprint"`
	Provenance  Provenance          `json:"provenance"`
	Rows        uint64              `json:"rows"`
	Segments    map[string][]string `json:"segments,omitempty"`
	Features    []featureFile       `json:"features"`
	Performance *Performance        `json:"performance,omitempty"`
}

type featureFile struct {
	Name        string           `json:"name"`
	Type        string           `json:"type"`
	Count       uint64           `json:"count"`
	Missing     uint64           `json:"missing"`
	Invalid     uint64           `json:"invalid"`
	Distinct    []byte           `json:"distinct"`
	Numeric     *numericFile     `json:"numeric,omitempty"`
	Categorical *categoricalFile `json:"categorical,omitempty"`

	Calibrations []calibrationFile `json:"calibrations,omitempty"`
}

type numericFile struct {
	Median     float64   `json:"median"`
	Edges      []float64 `json:"edges"`
	DecileEdge []bool    `json:"decile_edges"`
	Counts     []uint64  `json:"counts"`
	Moments    []byte    `json:"moments"`
	Distances  []byte    `json:"distances"`
	Quantiles  []byte    `json:"quantiles"`
}

type categoricalFile struct {
	// Categories are base64 where a name is not valid UTF-8, which decoded JSON never is.
	Categories []string `json:"categories"`
	Counts     []uint64 `json:"counts"`
	Other      uint64   `json:"other"`
}

const formatName = "streammon profile"

// Encode returns the reference's file, and sets its fingerprint.
func (r *Reference) Encode() ([]byte, error) {
	f := r.file()
	print, err := f.fingerprint()
	if err != nil {
		return nil, fmt.Errorf("encode profile: %w", err)
	}
	r.Fingerprint, f.Fingerprint = print, print
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("encode profile: %w", err)
	}
	return b.Bytes(), nil
}

func (f referenceFile) fingerprint() (string, error) {
	f.Fingerprint, f.Provenance = "", Provenance{}
	b, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

func (r *Reference) file() referenceFile {
	f := referenceFile{Format: formatName, Version: FormatVersion, Provenance: r.Provenance, Rows: r.Rows, Segments: r.Segments, Performance: r.Performance}
	if f.Performance == nil {
		f.Version = 2
	}
	for i := range r.Features {
		f.Features = append(f.Features, r.Features[i].file())
	}
	return f
}

func (f *Feature) file() featureFile {
	out := featureFile{
		Name: f.Name, Type: f.Type.String(), Count: f.Count, Missing: f.Missing, Invalid: f.Invalid,
		Distinct: f.Distinct.AppendBinary(nil), Calibrations: f.calibrationFiles(),
	}
	if f.Type == event.Categorical {
		out.Categorical = &categoricalFile{Categories: f.Categories, Counts: f.CategoryCounts, Other: f.OtherCategories}
		return out
	}
	out.Numeric = &numericFile{
		Median: f.Median, Edges: f.Bins.Edges(), DecileEdge: f.DecileEdge, Counts: f.Counts,
		Moments: f.Moments.AppendBinary(nil), Distances: f.Distances.AppendBinary(nil), Quantiles: f.Quantiles.AppendBinary(nil),
	}
	return out
}

// Decode reads a reference's file. It refuses what is damaged, what was changed
// by hand (the fingerprint tells) and what a newer version wrote.
func Decode(data []byte) (*Reference, error) {
	var f referenceFile
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	switch {
	case f.Format != formatName:
		return nil, fmt.Errorf("read profile: not a profile: its format is %q, not %q", f.Format, formatName)
	case f.Version < 1 || f.Version > FormatVersion:
		return nil, fmt.Errorf("read profile: format version %d, this program reads versions 1 to %d", f.Version, FormatVersion)
	}
	r := &Reference{Rows: f.Rows, Segments: f.Segments, Provenance: f.Provenance, Performance: f.Performance, Fingerprint: f.Fingerprint}
	seen := map[string]bool{}
	for i := range f.Features {
		feature, err := f.Features[i].feature()
		if err != nil {
			return nil, fmt.Errorf("read profile: feature %q: %w", f.Features[i].Name, err)
		}
		if seen[feature.Name] {
			return nil, fmt.Errorf("read profile: feature %q appears twice", feature.Name)
		}
		seen[feature.Name] = true
		r.Features = append(r.Features, feature)
	}
	print, err := f.fingerprint()
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if print != f.Fingerprint {
		return nil, fmt.Errorf("read profile: its fingerprint is %s but its content makes %s: it was changed or damaged", f.Fingerprint, print)
	}
	return r, nil
}

func (f *featureFile) feature() (Feature, error) {
	out := Feature{Feature: event.Feature{Name: f.Name}, Count: f.Count, Missing: f.Missing, Invalid: f.Invalid}
	if err := readSketch(f.Distinct, &out.Distinct); err != nil {
		return out, fmt.Errorf("distinct: %w", err)
	}
	var err error
	switch {
	case f.Type == event.Numeric.String() && f.Numeric != nil:
		err = f.Numeric.read(&out)
	case f.Type == event.Categorical.String() && f.Categorical != nil:
		err = f.Categorical.read(&out)
	default:
		err = fmt.Errorf("type %q without its content", f.Type)
	}
	if err == nil {
		out.Calibrations, err = readCalibrations(f.Calibrations)
	}
	if err == nil {
		out.complete()
	}
	return out, err
}

func (n *numericFile) read(f *Feature) (err error) {
	f.Type, f.Median = event.Numeric, n.Median
	if f.Bins, err = sketch.NewBins(n.Edges); err != nil {
		return err
	}
	if len(n.Counts) != f.Bins.Len() || len(n.DecileEdge) != len(n.Edges) {
		return fmt.Errorf("%d edges, %d decile marks and %d counts do not fit", len(n.Edges), len(n.DecileEdge), len(n.Counts))
	}
	f.Counts, f.DecileEdge = n.Counts, n.DecileEdge
	if sum(n.Counts) != f.Count {
		return fmt.Errorf("bins hold %d values, not %d", sum(n.Counts), f.Count)
	}
	if err := readSketch(n.Moments, &f.Moments); err != nil {
		return fmt.Errorf("moments: %w", err)
	}
	if err := readSketch(n.Distances, &f.Distances); err != nil {
		return fmt.Errorf("distances: %w", err)
	}
	if err := readSketch(n.Quantiles, &f.Quantiles); err != nil {
		return fmt.Errorf("quantiles: %w", err)
	}
	if f.Distances.Center() != f.Median {
		return fmt.Errorf("distances from %g, not from the median %g", f.Distances.Center(), f.Median)
	}
	return nil
}

func (c *categoricalFile) read(f *Feature) error {
	f.Type = event.Categorical
	if len(c.Categories) != len(c.Counts) {
		return fmt.Errorf("%d categories and %d counts", len(c.Categories), len(c.Counts))
	}
	for i := 1; i < len(c.Categories); i++ {
		if c.Categories[i-1] >= c.Categories[i] {
			return fmt.Errorf("categories are not in byte order at %q", c.Categories[i])
		}
	}
	f.Categories, f.CategoryCounts, f.OtherCategories = c.Categories, c.Counts, c.Other
	if sum(c.Counts)+c.Other != f.Count {
		return fmt.Errorf("categories hold %d values, not %d", sum(c.Counts)+c.Other, f.Count)
	}
	return nil
}

func readSketch(b []byte, s interface{ ReadBinary([]byte) ([]byte, error) }) error {
	rest, err := s.ReadBinary(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	return err
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// SegmentValues returns a copy of the values of a segmentation.
func (r *Reference) SegmentValues(name string) []string { return slices.Clone(r.Segments[name]) }
