package profile

import (
	"unsafe"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Upper bounds of the heap memory of sketches in bytes; a test holds real ones against them.
const (
	maxDistances = 2*8*1024 + 2<<10 // two sides
	maxQuantiles = 8 << 10
	maxDistinct  = 5 << 10
	maxOthers    = unseenKept * (2*24 + 48 + sketch.MaxKey)
	maxColumn    = 8 * ColumnLength * 5 / 4
)

// What a sealed content of traffic takes as a rule.
const (
	usualNumeric     = 12 << 10
	usualCategorical = 5 << 10
	usualCompact     = 5 << 10
)

// Size is heap memory in bytes.
type Size struct {
	Usual int64 // with traffic as it is as a rule
	Most  int64 // with any traffic
	Open  int64 // that an open one has beyond that
}

// Size returns what a set of the layout takes.
func (l *Layout) Size() (s Size) {
	for i := range l.Features {
		f := &l.Features[i]
		if f.Type == event.Numeric {
			s.add(f.numericSize(l.Detailed))
		} else {
			s.add(f.categoricalSize(l.Detailed))
		}
	}
	return s
}

func (s *Size) add(o Size) {
	s.Usual += o.Usual
	s.Most += o.Most
	s.Open += o.Open
}

func (f *FeatureSpec) numericSize(detailed bool) Size {
	bins := 0
	if f.Reference != nil {
		bins = 8 * f.Reference.Bins.Len()
	}
	own := int64(unsafe.Sizeof(Numeric{})) + int64(bins)
	if !detailed {
		return Size{own + usualCompact, own + maxDistances, maxColumn}
	}
	return Size{own + usualNumeric, own + maxDistances + maxQuantiles + maxDistinct, maxColumn}
}

func (f *FeatureSpec) categoricalSize(detailed bool) Size {
	own := int64(unsafe.Sizeof(Categorical{}))
	if f.Reference != nil {
		own += int64(8 * len(f.Reference.Categories))
	}
	if !detailed {
		return Size{own, own, 0}
	}
	return Size{own + usualCategorical, own + maxOthers + maxDistinct, 0}
}
