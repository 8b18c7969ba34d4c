// Package demo is a seeded synthetic fraud service with a scripted day, and a shop that recommends: streams of
// answers, and of labels that come later, which are the same for the same seed, a scenario of things that go wrong in
// them, and an embedded broker that speaks the real Kafka protocol.
//
// It is no benchmark and no model of real fraud. It knows nothing of how streammon
// works: what it writes is what a real service would write.
package demo
