package drift

import "math"

// Began estimates since when a feature has moved: the index of the pane from which on the panes differ most from
// the reference, as the maximum-likelihood change point of independent values of which those before are the reference's
// (Hinkley 1970). Panes are the counts in the reference's bins, in order of time; a pane without values is empty or
// nil. It returns -1 if there is none with values.
func Began(ref []uint64, panes [][]uint64) int {
	m := float64(total(ref)) + 0.5*float64(len(ref))
	counts := make([]float64, len(ref))
	n, most, began := 0.0, math.Inf(-1), -1
	for i := len(panes) - 1; i >= 0; i-- {
		pane := panes[i]
		if len(pane) != len(ref) || total(pane) == 0 {
			continue
		}
		ratio := 0.0 // of the likelihoods of all from here on, logarithmic
		for b, c := range pane {
			counts[b] += float64(c)
			n += float64(c)
		}
		for b, c := range counts {
			if c > 0 {
				ratio += c * math.Log(c/n*m/(float64(ref[b])+0.5))
			}
		}
		if ratio > most {
			most, began = ratio, i
		}
	}
	return began
}
