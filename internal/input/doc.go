// Package input reads files as a log: JSONL, CSV and Parquet, plain or compressed by
// gzip or zstd, and standard input. Each row becomes the JSON of one message, so that
// one decoder, with one table of values, reads all forms.
//
// A row that is broken becomes a message that is no JSON: it is counted as such and
// ends nothing. A file that is broken (a truncated archive, a damaged Parquet file)
// is an error, after all rows before it were delivered. Memory is bounded by the
// longest allowed line of JSON, the longest row of CSV, and for Parquet by
// Options.MaxMemory: its footer and pages are measured before the library decodes them, since it
// makes room for whatever they declare.
package input
