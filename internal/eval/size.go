package eval

import (
	"unsafe"
)

// The most that parts take, in bytes of the heap.
const (
	maxScoresBytes    = 36 << 10 // 1,024 distinct scores, before there are bins
	maxHistogramBytes = 10 << 10
	maxItemBytes      = 64 << 10 // a map of 1,024 items
	maxDistinctBytes  = 4200
)

// maxPlaces is how many places of a list matter: nothing is counted behind the last cut-off.
func (s *Spec) maxPlaces() int {
	if n := len(s.K); n > 0 {
		return min(s.K[n-1], maxItems)
	}
	return maxItems
}

// PredictionBytes returns the most that AppendPrediction appends.
func (s *Spec) PredictionBytes() int {
	switch s.Task {
	case Binary:
		return 9
	case Multiclass:
		return 2 + 8 + 8*s.classes()
	case Regression:
		return 24
	case Ranking:
		return 2 + 8*s.maxPlaces()
	}
	return 0
}

// TallyBytes returns the most that a tally takes.
func (s *Spec) TallyBytes() int {
	const own = 64
	switch s.Task {
	case Binary:
		return own + int(unsafe.Sizeof(binaryPairs{})) + maxScoresBytes
	case Multiclass:
		k := s.classes()
		return own + int(unsafe.Sizeof(multiclassPairs{})) + 8*k*k + 24*len(s.K) + k*classScoresBytes
	case Regression:
		return own + int(unsafe.Sizeof(regression{})) + maxHistogramBytes
	case Ranking:
		return own + int(unsafe.Sizeof(ranking{})) + maxItemBytes + len(s.K)*(int(unsafe.Sizeof(cut{}))+maxDistinctBytes)
	}
	return own
}

// classScoresBytes is what the scores of a class take.
const classScoresBytes = int(unsafe.Sizeof(scores{})) + maxScoresBytes

// EstimateBytes returns the most that an estimate takes, of Binary or Multiclass.
func (s *Spec) EstimateBytes() int {
	classes, of := 2, 1
	if s.Task == Multiclass {
		classes, of = s.classes(), s.classes()
	}
	return int(unsafe.Sizeof(Estimate{})) + classes*(int(unsafe.Sizeof(expected{}))+16) + of*classScoresBytes
}
