package decode

import (
	"fmt"
	"math"
	"math/bits"
)

// TimeUnit is the unit of times that are numbers.
type TimeUnit uint8

// The units. Auto takes the unit by the number's magnitude: below 10^11 seconds (to
// the year 5138), below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds.
const (
	Auto TimeUnit = iota
	Seconds
	Milliseconds
	Microseconds
	Nanoseconds
)

// ParseTimeUnit reads auto (or nothing), s, ms, us or ns.
func ParseTimeUnit(s string) (TimeUnit, error) {
	for i, name := range [...]string{"auto", "s", "ms", "us", "ns"} {
		if s == name || s == "" {
			return TimeUnit(i), nil
		}
	}
	return Auto, fmt.Errorf("time unit %q is not one of auto, s, ms, us, ns", s)
}

// perUnit is the number of nanoseconds in a unit, by TimeUnit.
var perUnit = [...]uint64{0, 1e9, 1e6, 1e3, 1}

func autoUnit(n uint64) TimeUnit {
	switch {
	case n < 1e11:
		return Seconds
	case n < 1e14:
		return Milliseconds
	case n < 1e17:
		return Microseconds
	}
	return Nanoseconds
}

// unixTime converts a valid number token to nanoseconds since the Unix epoch; digits
// below a nanosecond are cut. ok is false if int64 cannot hold it.
func unixTime(token []byte, unit TimeUnit) (ns int64, ok bool) {
	// The digits that a decimal may lack are below a nanosecond: no time has more than 19.
	d := parseDecimal(token)
	whole, fraction := d.mantissa, uint64(0) // of the unit; fraction in 10^exponent
	scale := uint64(1)
	for ; d.exponent > 0 && whole > 0; d.exponent-- {
		hi, lo := bits.Mul64(whole, 10)
		if hi != 0 {
			return 0, false
		}
		whole = lo
	}
	for ; d.exponent < -19 && whole > 0; d.exponent++ {
		whole /= 10
	}
	if whole == 0 {
		return 0, true
	}
	for ; d.exponent < 0; d.exponent++ {
		scale *= 10
	}
	whole, fraction = whole/scale, whole%scale
	if unit == Auto {
		unit = autoUnit(whole)
	}
	factor := perUnit[unit]
	hi, lo := bits.Mul64(whole, factor)
	fhi, flo := bits.Mul64(fraction, factor)
	part, _ := bits.Div64(fhi, flo, scale)
	sum := lo + part
	if hi != 0 || sum < lo || sum > math.MaxInt64 {
		return 0, false
	}
	ns = int64(sum)
	if d.negative {
		ns = -ns
	}
	return ns, true
}

// parseTime reads RFC 3339 (T and Z in either case, or a space; any offset; digits
// below a nanosecond are cut), or a decimal number as a Unix time. A leap second is
// none: it has no Unix time.
func parseTime(b []byte, unit TimeUnit) (ns int64, ok bool) {
	if len(b) < 20 || b[4] != '-' {
		if isDecimal(b) {
			return unixTime(b, unit)
		}
		return 0, false
	}
	year, ok1 := number4(b[0:4])
	month, ok2 := number2(b[5:7])
	day, ok3 := number2(b[8:10])
	hour, ok4 := number2(b[11:13])
	minute, ok5 := number2(b[14:16])
	second, ok6 := number2(b[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || b[7] != '-' || b[10]|0x20 != 't' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	fraction, rest, ok := parseFraction(b[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	seconds := daysSinceEpoch(year, month, day)*86400 + int64(hour*3600+minute*60+second) - offset
	const limit = math.MaxInt64/1_000_000_000 - 1
	if seconds > limit || seconds < -limit {
		return 0, false
	}
	return seconds*1_000_000_000 + fraction, true
}

func number2(b []byte) (int, bool) {
	x, y := b[0]-'0', b[1]-'0'
	return int(x)*10 + int(y), x <= 9 && y <= 9
}

func number4(b []byte) (int, bool) {
	x, ok1 := number2(b[:2])
	y, ok2 := number2(b[2:])
	return x*100 + y, ok1 && ok2
}

// parseFraction reads ".123", if it is there, in nanoseconds.
func parseFraction(b []byte) (ns int64, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	i, scale := 1, int64(100_000_000)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		ns += int64(b[i]-'0') * scale
		scale /= 10
	}
	return ns, b[i:], i > 1
}

// parseOffset reads Z or ±hh:mm, in seconds.
func parseOffset(b []byte) (int64, bool) {
	if len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	if len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	hour, ok1 := number2(b[1:3])
	minute, ok2 := number2(b[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	offset := int64(hour*3600 + minute*60)
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

var daysInMonth = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return daysInMonth[month-1]
}

// daysSinceEpoch of a date of the proleptic Gregorian calendar, counting years from
// March so that the leap day is the last (Howard Hinnant, "chrono-compatible low-level
// date algorithms").
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	ofEra := year % 400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return int64(era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468)
}
