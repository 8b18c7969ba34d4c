// Package pipeline is the way of a message from its bytes to a published result;
// the same code serves live reading, replay and the demo.
//
// An Intake decodes the messages of one topic partition or file and keeps their
// account; a Lane guards one shard; a Group merges its lanes twice: into the final
// results, which depend on the log only, and into the shown ones, which use the
// clock that is handed in. All exported methods may be called by any goroutine
// unless they say otherwise.
package pipeline
