package eval

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"sort"
)

// maxItems is the number of items of a ranking, or of its label, that are kept: the first ones.
const maxItems = 1000

// noClass stands for the class of a prediction without a decision.
const noClass = 0xff

// Encoding identifies the form of predictions and labels: those that a Spec has encoded may be read by another that Decodes it.
func (s *Spec) Encoding() uint64 { return s.identity(false, s.Positive) }

// Decodes reports whether predictions and labels of a form may be read. It may have been written before Positive was part of it.
func (s *Spec) Decodes(encoding uint64) bool {
	return encoding == s.Encoding() || encoding == s.identity(false, "")
}

// Fingerprint identifies what shapes tallies and estimates, and the form of predictions and labels: what a Spec has written may be read
// by another that Adds to it. Beta, Cost and Catalog are not part of it, as figures are made of them and not counts.
func (s *Spec) Fingerprint() uint64 { return s.identity(true, s.Positive) }

// Adds reports whether what was written with a fingerprint counts the same. It may have been written before Positive was part of it.
func (s *Spec) Adds(fingerprint uint64) bool {
	return fingerprint == s.Fingerprint() || fingerprint == s.identity(true, "")
}

func (s *Spec) identity(counts bool, positive string) uint64 {
	h := fnv.New64a()
	b := binary.AppendUvarint([]byte{byte(s.Task)}, uint64(len(s.Classes)))
	for _, c := range s.Classes {
		b = append(binary.AppendUvarint(b, uint64(len(c))), c...)
	}
	if s.Task == Ranking {
		b = binary.AppendUvarint(b, uint64(s.maxPlaces()))
	}
	if s.Task == Binary {
		b = append(b, positive...)
	}
	if counts {
		threshold := s.Threshold
		if math.IsNaN(threshold) {
			threshold = math.NaN() // one of many
		}
		b = appendFloat(b, threshold)
		b = binary.AppendUvarint(b, uint64(len(s.K)))
		for _, k := range s.K {
			b = binary.AppendUvarint(b, uint64(k))
		}
		b = binary.AppendUvarint(b, uint64(len(s.Levels)))
		for _, l := range s.Levels {
			b = appendFloat(b, l)
		}
	}
	h.Write(b)
	return h.Sum64()
}

// classes returns the number of classes of Multiclass, that of all others included.
func (s *Spec) classes() int { return len(s.Classes) + 1 }

// class returns a class that there is: what is beyond the listed ones is the last.
func (s *Spec) class(c int) int {
	if c < 0 || c > len(s.Classes) {
		return len(s.Classes)
	}
	return c
}

// AppendPrediction appends what the task needs of a prediction: of a ranking, the items down to the last of K. That of Binary has 9 bytes, that
// of Regression 24.
func (s *Spec) AppendPrediction(b []byte, p *Prediction) []byte {
	switch s.Task {
	case Binary:
		b = appendFloat(b, p.Score)
		if p.Class == 0 || p.Class == 1 {
			return append(b, byte(p.Class))
		}
		return append(b, noClass)
	case Multiclass:
		class := 0
		if p.Class >= 0 {
			class = 1 + s.class(p.Class)
		}
		b = appendFloat(binary.AppendUvarint(b, uint64(class)), p.Score)
		if len(p.Probabilities) == s.classes() {
			b = appendFloats(b, p.Probabilities)
		}
		return b
	case Regression:
		return appendFloats(b, []float64{p.Value, p.Lower, p.Upper})
	case Ranking:
		return appendItems(b, p.Items[:min(len(p.Items), s.maxPlaces())])
	}
	return b
}

// ReadPrediction makes p what AppendPrediction was given, and reports whether b is the whole of one; p keeps the room of its slices.
func (s *Spec) ReadPrediction(b []byte, p *Prediction) bool {
	*p = Prediction{Score: math.NaN(), Class: -1, Value: math.NaN(), Lower: math.NaN(), Upper: math.NaN(),
		Probabilities: p.Probabilities[:0], Items: p.Items[:0]}
	switch s.Task {
	case Binary:
		return len(b) == 9 && s.readBinary(b, p)
	case Multiclass:
		return s.readMulticlass(b, p)
	case Regression:
		if len(b) != 24 {
			return false
		}
		p.Value, p.Lower, p.Upper = float(b), float(b[8:]), float(b[16:])
		return true
	case Ranking:
		n, size := binary.Uvarint(b)
		if size <= 0 || n > maxItems || len(b) != size+8*int(n) {
			return false
		}
		p.Items = readItems(p.Items, b[size:], 8)
		return true
	}
	return len(b) == 0
}

func (s *Spec) readBinary(b []byte, p *Prediction) bool {
	p.Score = float(b)
	if b[8] != noClass {
		p.Class = int(b[8])
	}
	return p.Class <= 1
}

func (s *Spec) readMulticlass(b []byte, p *Prediction) bool {
	class, size := binary.Uvarint(b)
	if size <= 0 || class > uint64(s.classes()) || len(b) < size+8 {
		return false
	}
	p.Class, p.Score = int(class)-1, float(b[size:])
	b = b[size+8:]
	if len(b) != 0 && len(b) != 8*s.classes() {
		return false
	}
	p.Probabilities = readFloats(p.Probabilities, b, 8)
	return true
}

// AppendLabel appends what the task needs of a label. That of Binary has 1 byte, that of Regression 8. Labels that say the same give the same
// bytes: items in any order, relevance 1 given or not.
func (s *Spec) AppendLabel(b []byte, l *Label) []byte {
	switch s.Task {
	case Binary:
		return append(b, byte(min(max(l.Class, 0), 1)))
	case Multiclass:
		return binary.AppendUvarint(b, uint64(s.class(l.Class)))
	case Regression:
		return appendFloat(b, l.Value+0) // −0 becomes 0
	case Ranking:
		return appendRelevant(b, l)
	}
	return b
}

// appendRelevant appends 2·items, or 2·items+1 with relevances, and the items by their hashes.
func appendRelevant(b []byte, l *Label) []byte {
	items := l.Items[:min(len(l.Items), maxItems)]
	graded := uint64(0)
	if len(l.Relevance) >= len(items) && slices.ContainsFunc(l.Relevance[:len(items)], func(r float64) bool { return r != 1 }) {
		graded = 1
	}
	b = binary.AppendUvarint(b, uint64(2*len(items))|graded)
	start := len(b)
	for i, item := range items {
		b = binary.LittleEndian.AppendUint64(b, item)
		if graded == 1 {
			b = appendFloat(b, l.Relevance[i]+0)
		}
	}
	sort.Sort(blocks{b[start:], 8 << graded})
	return b
}

// blocks sorts encoded items in place, in the order of their bytes.
type blocks struct {
	b    []byte
	size int
}

func (s blocks) at(i int) []byte { return s.b[i*s.size : (i+1)*s.size] }

// Len, Less and Swap are sort.Interface.
func (s blocks) Len() int { return len(s.b) / s.size }

// Less compares the bytes of two items.
func (s blocks) Less(i, j int) bool { return bytes.Compare(s.at(i), s.at(j)) < 0 }

// Swap swaps two items, which have 16 bytes at most.
func (s blocks) Swap(i, j int) {
	var a [16]byte
	copy(a[:], s.at(i))
	copy(s.at(i), s.at(j))
	copy(s.at(j), a[:s.size])
}

// ReadLabel makes l what AppendLabel was given, and reports whether b is the whole of one; l keeps the room of its slices.
// Items come in the order of the bytes, and each with its relevance.
func (s *Spec) ReadLabel(b []byte, l *Label) bool {
	*l = Label{Value: math.NaN(), Items: l.Items[:0], Relevance: l.Relevance[:0]}
	switch s.Task {
	case Binary:
		if len(b) != 1 || b[0] > 1 {
			return false
		}
		l.Class = int(b[0])
		return true
	case Multiclass:
		class, size := binary.Uvarint(b)
		if size <= 0 || size != len(b) || class >= uint64(s.classes()) {
			return false
		}
		l.Class = int(class)
		return true
	case Regression:
		if len(b) != 8 {
			return false
		}
		l.Value = float(b)
		return true
	case Ranking:
		return readRelevant(b, l)
	}
	return len(b) == 0
}

func readRelevant(b []byte, l *Label) bool {
	n, size := binary.Uvarint(b)
	stride := 8 << (n & 1)
	n >>= 1
	if size <= 0 || n > maxItems || len(b) != size+stride*int(n) {
		return false
	}
	l.Items = readItems(l.Items, b[size:], stride)
	if stride == 16 && n > 0 {
		l.Relevance = readFloats(l.Relevance, b[size+8:], stride)
		return true
	}
	for range n {
		l.Relevance = append(l.Relevance, 1)
	}
	return true
}

// SameLabel reports whether two encoded labels say the same.
func (s *Spec) SameLabel(a, b []byte) bool { return bytes.Equal(a, b) }

func appendFloats(b []byte, xs []float64) []byte {
	for _, x := range xs {
		b = appendFloat(b, x)
	}
	return b
}

func appendItems(b []byte, items []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(items)))
	for _, item := range items {
		b = binary.LittleEndian.AppendUint64(b, item)
	}
	return b
}

func float(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// readFloats appends a number for each stride of b.
func readFloats(dst []float64, b []byte, stride int) []float64 {
	for ; len(b) >= 8; b = b[min(stride, len(b)):] {
		dst = append(dst, float(b))
	}
	return dst
}

// readItems appends an item for each stride of b.
func readItems(dst []uint64, b []byte, stride int) []uint64 {
	for ; len(b) >= 8; b = b[min(stride, len(b)):] {
		dst = append(dst, binary.LittleEndian.Uint64(b))
	}
	return dst
}
