// Package demo is a seeded synthetic fraud service with a scripted day: a stream of
// events that is the same for the same seed, a scenario of things that go wrong in
// it, and an embedded broker that speaks the real Kafka protocol.
//
// It is no benchmark and no model of real fraud. It knows nothing of how streammon
// works: what it writes is what a real service would write.
package demo
