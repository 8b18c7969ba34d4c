package join

import (
	"fmt"
	"syscall"
	"testing"
)

// cpu returns the nanoseconds that the process has worked: other processes do not change them much.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchmark measures predictions with their expiry, and labels with their sealing (and the expiry of others), in the steady state of so many rows.
func benchmark(b *testing.B, rows int) {
	const batch = 1000
	c := usual
	c.Timeout = int64(rows) * second / 10_000 // at 10,000 a second
	key, payload, label := []byte("v1\x00country=DE"), answer(1), []byte{1}
	at := func(i int) int64 { return int64(i) * second / 10_000 }
	table, f := New(c), &counter{t: b}
	next := 0
	predict := func() {
		for range batch {
			table.Predict(mix(next), at(next), key, payload)
			next++
		}
	}
	seal := func() { table.Seal(at(next)-20*second, f) }
	for next < rows*5/2 {
		predict()
		seal()
	}
	b.Run("predict", func(b *testing.B) {
		b.ReportAllocs()
		began := cpu()
		for range b.N / batch {
			predict()
			seal()
		}
		b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
	})
	b.Run("label", func(b *testing.B) {
		b.ReportAllocs()
		worked := int64(0)
		for range b.N / batch {
			b.StopTimer()
			predict()
			b.StartTimer()
			began := cpu()
			for i := next - batch; i < next; i++ {
				table.Await(mix(i-rows/2), at(i), label)
			}
			seal()
			worked += cpu() - began
		}
		b.ReportMetric(float64(worked)/float64(b.N), "cpu-ns/op")
	})
	if f.unmatched > 0 || f.matched == 0 {
		b.Error(f)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) { benchmark(b, rows) })
	}
}
