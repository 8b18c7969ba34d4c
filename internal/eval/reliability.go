package eval

import (
	"encoding/binary"
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// groups is the number of bins over which calibration is judged.
const groups = 15

// proper reports whether a score can be a probability.
func proper(p float64) bool { return 0 <= p && p <= 1 }

// reliability says whether what was given a probability came true as often: pairs in 15 bins of the probability of equal width,
// [0, 1/15), ..., [14/15, 1].
type reliability [groups]struct {
	n, positives uint64
	sum          float64 // of the probabilities
}

// add adds a probability that is proper, and 1 if it came true, else 0.
func (r *reliability) add(p float64, truth int) {
	b := &r[min(int(groups*p), groups-1)]
	b.n++
	b.positives += uint64(truth)
	b.sum += p
}

func (r *reliability) merge(o *reliability) {
	for i := range r {
		r[i].n += o[i].n
		r[i].positives += o[i].positives
		r[i].sum += o[i].sum
	}
}

func (r *reliability) total() (n, positives uint64) {
	for i := range r {
		n += r[i].n
		positives += r[i].positives
	}
	return n, positives
}

// calibration returns the calibration error: the mean over all pairs of how far the share that came true in its bin is from the
// mean of the bin's probabilities (the expected calibration error). NaN if there is no pair.
func (r *reliability) calibration() Figure {
	n, _ := r.total()
	var sum float64
	for i := range r {
		sum += math.Abs(float64(r[i].positives) - r[i].sum)
	}
	return exactly("calibration_error", sum/float64(n), math.NaN())
}

// parts returns two of Murphy's parts of the Brier score, "A new vector partition of the probability score" (1973): reliability, the mean of
// the squared distance of the share that came true in a bin from the mean of its probabilities (0 is best), and resolution, that of the shares
// in bins from the share in all (more is better). The third, uncertainty, is o(1-o) with o the share in all.
// Since probabilities within a bin differ, Brier = reliability - resolution + uncertainty + what is left within the bins: their variance less twice
// their covariance with the truth (Stephenson, Coelho and Jolliffe, 2008). NaN if there is no pair.
func (r *reliability) parts() (reliability, resolution float64) {
	n, positives := r.total()
	all := float64(positives) / float64(n)
	for i := range r {
		if r[i].n == 0 {
			continue
		}
		in := float64(r[i].n)
		share := float64(r[i].positives) / in
		reliability += in * square(share-r[i].sum/in)
		resolution += in * square(share-all)
	}
	return reliability / float64(n), resolution / float64(n)
}

// square returns x²; the conversion keeps all platforms from fusing it with what follows.
func square(x float64) float64 { return float64(x * x) }

func (r *reliability) appendBinary(b []byte) []byte {
	for i := range r {
		b = binary.AppendUvarint(b, r[i].n)
		if r[i].n > 0 {
			b = appendFloat(binary.AppendUvarint(b, r[i].positives), r[i].sum)
		}
	}
	return b
}

func (r *reliability) readBinary(d *sketch.Decoder) {
	for i := range r {
		b := &r[i]
		if b.n = d.Count(); b.n == 0 {
			continue
		}
		b.positives, b.sum = d.Count(), d.Float()
		if b.positives > b.n || b.sum < 0 {
			d.Fail(errDamaged)
		}
	}
}

// losses is a mean with its standard error.
type losses struct {
	n            uint64
	sum, squares float64
}

func (s *losses) add(x float64) {
	s.n++
	s.sum += x
	s.squares += square(x)
}

func (s *losses) merge(o *losses) {
	s.n += o.n
	s.sum += o.sum
	s.squares += o.squares
}

// figure returns the mean under a name; NaN if there is no value.
func (s *losses) figure(name string) Figure {
	n := float64(s.n)
	mean := s.sum / n
	return exactly(name, mean, math.Sqrt(max(s.squares/n-mean*mean, 0)/(n-1)))
}

func (s *losses) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, s.n)
	if s.n == 0 {
		return b
	}
	return appendFloat(appendFloat(b, s.sum), s.squares)
}

func (s *losses) readBinary(d *sketch.Decoder) {
	if s.n = d.Count(); s.n == 0 {
		return
	}
	s.sum, s.squares = d.Float(), d.Float()
	if s.sum < 0 || s.squares < 0 {
		d.Fail(errDamaged)
	}
}

// tiny is the least probability that counts for the log loss: the last bit of 1.
const tiny = 0x1p-52

// surprise is the log loss of the probability that was given to what came true.
func surprise(p float64) float64 { return -math.Log(min(max(p, tiny), 1-tiny)) }
