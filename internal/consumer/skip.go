package consumer

import "errors"

// SkipReason says why a record batch was skipped.
type SkipReason uint8

// The reasons.
const (
	SkipTooLarge SkipReason = iota // beyond Config.MaxBatchBytes, packed or unpacked
	SkipCorrupt                    // a wrong checksum, or what cannot be unpacked or cut into records
	SkipFormat                     // not the format of Kafka 0.11 and later, or packed in an unknown way
	SkipReasons                    // the number of reasons
)

// String returns the name of the reason, as in a metric's label.
func (r SkipReason) String() string {
	switch r {
	case SkipTooLarge:
		return "too_large"
	case SkipCorrupt:
		return "corrupt"
	case SkipFormat:
		return "format"
	}
	return "unknown"
}

// skipReason sorts the error of a batch.
func skipReason(err error) SkipReason {
	switch {
	case errors.Is(err, errTooLarge):
		return SkipTooLarge
	case errors.Is(err, errFormat):
		return SkipFormat
	}
	return SkipCorrupt
}
