package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
)

// Measured says what the answers of a model are and how they are compared with their labels.
type Measured struct {
	// Task and Positive, the label of the positive class of a binary task, are as the config has them.
	Task, Positive string
	Spec           *eval.Spec
}

// Performance is how good the answers of a reference's rows were, by their labels. It never changes.
type Performance struct {
	Task, Positive string
	// Labelled is the number of rows with a label.
	Labelled uint64
	// Figures are those of the config that it was built with; Of has those of another one.
	Figures []eval.Figure
	// Calibrator makes probabilities of scores; nil if there were no scores, or too few classes to tell.
	Calibrator *eval.Calibrator
	// Windows tell how the figures vary between windows, the shortest first; none if the rows had no times.
	Windows []FigureWindows

	encoding, fingerprint uint64 // of the spec
	tally                 []byte
}

// FigureWindows is how figures vary between disjoint windows of a length in nanoseconds.
type FigureWindows struct {
	Length int64
	// Disjoint is the number of windows that have enough pairs to tell something.
	Disjoint int
	Figures  []FigureVariation
}

// FigureVariation is how one figure varies between windows, as variances.
type FigureVariation struct {
	Name, Label, At string
	// Windows in which it is defined.
	Windows int
	// Variance of the figure between them, and Sampling, the mean of what the sizes of their samples make of it.
	Variance, Sampling float64
}

// Between is the variance that the sizes of samples do not explain.
func (v *FigureVariation) Between() float64 { return max(v.Variance-v.Sampling, 0) }

func (v *FigureVariation) variation(caveat string) Variation {
	n := float64(v.Windows)
	return Variation{v.Between() * (1 + 1/n), n - 1, caveat}
}

// Variation is what is known of how a figure varies between windows of one length.
type Variation struct {
	// Between is the variance of its difference from that of the reference, which is a mean of as many windows as there are, beyond
	// what the sizes of samples explain. Degrees are those of freedom of its estimate.
	Between, Degrees float64
	// Caveat is drift.Independent, drift.Insufficient or empty, as of features.
	Caveat string
}

// Of returns the figures by a config of now, and of how many pairs; none if it counts something else.
func (p *Performance) Of(m Measured) (figures []eval.Figure, pairs uint64) {
	t := p.read(m)
	if t == nil {
		return nil, 0
	}
	return t.Figures(nil), t.Count()
}

// Curves returns what can be drawn of its scores; nil if there are none, or a config of now counts something else.
func (p *Performance) Curves(m Measured) *eval.Curves {
	if t := p.read(m); t != nil {
		return t.Curves()
	}
	return nil
}

// read returns what was counted; nil if a config of now counts something else.
func (p *Performance) read(m Measured) *eval.Tally {
	if p == nil || !p.same(m) || !m.Spec.Adds(p.fingerprint) {
		return nil
	}
	t, err := m.Spec.ReadTally(p.tally)
	if err != nil {
		return nil
	}
	return t
}

// Calibrates returns the calibrator of scores, nil if there is none, or it is of another task or other classes.
func (p *Performance) Calibrates(m Measured) *eval.Calibrator {
	if p == nil || !p.same(m) || !m.Spec.Decodes(p.encoding) {
		return nil
	}
	return p.Calibrator
}

func (p *Performance) same(m Measured) bool {
	return p.Task == m.Task && (p.Task != "binary" || p.Positive == m.Positive)
}

// Variation returns how a figure varies between windows of a length in nanoseconds. Where the reference has too few of them it is
// that of the longest shorter ones of which there are enough, as of features.
func (p *Performance) Variation(f *eval.Figure, length int64) Variation {
	if len(p.Windows) == 0 {
		return Variation{Caveat: drift.Independent}
	}
	var own, shorter *FigureVariation
	for i := range p.Windows {
		w := &p.Windows[i]
		v := w.Find(f)
		switch {
		case v == nil:
		case w.Length == length:
			own = v
		case w.Length < length && v.Windows >= drift.MinDisjoint:
			shorter = v
		}
	}
	switch {
	case own != nil && own.Windows >= drift.MinDisjoint:
		return own.variation("")
	case shorter != nil:
		return shorter.variation(drift.Insufficient)
	case own != nil && own.Windows > 1:
		return own.variation(drift.Insufficient)
	}
	return Variation{Caveat: drift.Insufficient}
}

// Find returns how a figure varies, nil if that is not known.
func (w *FigureWindows) Find(f *eval.Figure) *FigureVariation {
	for i := range w.Figures {
		if v := &w.Figures[i]; v.Name == f.Name && v.Label == f.Label && v.At == f.At {
			return v
		}
	}
	return nil
}

// performanceFile is the performance in a reference's file.
type performanceFile struct {
	Task     string `json:"task"`
	Positive string `json:"positive,omitempty"`
	// Encoding and Spec identify the eval.Spec, in hexadecimal.
	Encoding   string              `json:"encoding"`
	Spec       string              `json:"spec"`
	Labelled   uint64              `json:"labelled"`
	Figures    []figureFile        `json:"figures"`
	Tally      []byte              `json:"tally"`
	Calibrator *eval.Calibrator    `json:"calibrator,omitempty"`
	Windows    []figureWindowsFile `json:"windows,omitempty"`
}

type figureFile struct {
	Name   string   `json:"name"`
	Label  string   `json:"label,omitempty"`
	At     string   `json:"at,omitempty"`
	Value  float64  `json:"value"`
	StdErr *float64 `json:"stderr,omitempty"`
}

type figureWindowsFile struct {
	Length   int64                 `json:"length_ns"`
	Disjoint int                   `json:"disjoint"`
	Figures  []figureVariationFile `json:"figures,omitempty"`
}

type figureVariationFile struct {
	Name     string  `json:"name"`
	Label    string  `json:"label,omitempty"`
	At       string  `json:"at,omitempty"`
	Windows  int     `json:"windows"`
	Variance float64 `json:"variance"`
	Sampling float64 `json:"sampling_variance"`
}

func hexText(x uint64) string { return fmt.Sprintf("%016x", x) }

// MarshalJSON returns the part of a reference's file.
func (p *Performance) MarshalJSON() ([]byte, error) {
	f := performanceFile{
		Task: p.Task, Positive: p.Positive, Encoding: hexText(p.encoding), Spec: hexText(p.fingerprint), Labelled: p.Labelled,
		Figures: []figureFile{}, Tally: p.tally, Calibrator: p.Calibrator,
	}
	for i := range p.Figures {
		x := &p.Figures[i]
		out := figureFile{Name: x.Name, Label: x.Label, At: x.At, Value: x.Value}
		if !math.IsNaN(x.StdErr) {
			out.StdErr = &x.StdErr
		}
		f.Figures = append(f.Figures, out)
	}
	for _, w := range p.Windows {
		out := figureWindowsFile{Length: w.Length, Disjoint: w.Disjoint}
		for _, v := range w.Figures {
			out.Figures = append(out.Figures, figureVariationFile(v))
		}
		f.Windows = append(f.Windows, out)
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads what MarshalJSON wrote. The tally is read when a spec is there.
func (p *Performance) UnmarshalJSON(b []byte) error {
	var f performanceFile
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	out := Performance{Task: f.Task, Positive: f.Positive, Labelled: f.Labelled, Calibrator: f.Calibrator, tally: f.Tally}
	var err, err2 error
	out.encoding, err = strconv.ParseUint(f.Encoding, 16, 64)
	out.fingerprint, err2 = strconv.ParseUint(f.Spec, 16, 64)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("performance: %w", err)
	}
	for _, x := range f.Figures {
		stderr := math.NaN()
		if x.StdErr != nil {
			stderr = *x.StdErr
		}
		out.Figures = append(out.Figures, eval.Figure{Name: x.Name, Label: x.Label, At: x.At, Value: x.Value, StdErr: stderr, Low: x.Value, High: x.Value})
	}
	before := int64(0)
	for _, w := range f.Windows {
		if w.Length <= before {
			return errors.New("performance: windows are not in the order of their lengths")
		}
		before = w.Length
		of := FigureWindows{Length: w.Length, Disjoint: w.Disjoint}
		for _, v := range w.Figures {
			if v.Windows < 0 || v.Windows > w.Disjoint || v.Variance < 0 || v.Sampling < 0 {
				return fmt.Errorf("performance: %s varies in %d of %d windows by %g and %g", v.Name, v.Windows, w.Disjoint, v.Variance, v.Sampling)
			}
			of.Figures = append(of.Figures, FigureVariation(v))
		}
		out.Windows = append(out.Windows, of)
	}
	*p = out
	return nil
}
