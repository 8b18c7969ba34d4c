// Package decode turns the bytes of a message into an event.Event, without
// allocating.
//
// A Decoder is compiled from a schema and a mapping: a tree of the paths that matter.
// It scans a message once, checks all of it, and picks up what the tree names. Any
// bytes are answered by an event or by a reason of the closed set of event.Reason;
// none panics, and none is accepted by halves.
//
// Where several reasons apply, one is given, in this order:
//
//   - empty: no bytes at all;
//   - too_large or syntax, whichever the scan meets first: the message's size is looked
//     at before its content, and a broken end counts even if the envelope was bad;
//   - envelope, then time, then model.
//
// Future and ancient times are not judged here: a shard does.
package decode
