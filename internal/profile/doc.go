// Package profile is what a feature looked like: the content that a pane or a
// window keeps of each feature (Set, Numeric, Categorical), and the frozen
// Reference that windows are compared with.
//
// It computes no statistic between the two (package drift does). A set knows no
// time; a Builder may be told the times of rows, to see how windows of the reference
// vary (package drift says what of it counts). Counts, bins and exponential histograms are the same under any
// partitioning and order of the events; moments are so to 1e-9, and t-digests
// within their bound. Nothing here is safe for concurrent use, but a Reference
// and a Layout never change and may be shared.
package profile
