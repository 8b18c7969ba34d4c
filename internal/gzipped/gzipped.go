// Package gzipped compresses answers for clients that take them compressed.
package gzipped

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"strings"
)

// Accepted reports whether an Accept-Encoding takes gzip.
func Accepted(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, parameter, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) != "gzip" {
			continue
		}
		q, has := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !has || err == nil && weight > 0
	}
	return false
}

// Compress returns the body in gzip.
func Compress(plain []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is valid
	_, _ = z.Write(plain)                           // a buffer takes all
	z.Close()
	return b.Bytes()
}
