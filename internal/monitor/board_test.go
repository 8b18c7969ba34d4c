package monitor

import "testing"

// TestBoardFences: a snapshot that says that it is exporting is not shown as such once this member
// may not export, also before the next publication.
func TestBoardFences(t *testing.T) {
	may := true
	b := &Board{MayExport: func() bool { return may }}
	if b.Load() != nil {
		t.Error("a snapshot before the first publication")
	}
	published := &Snapshot{At: 1, Exporting: true}
	b.Publish(published)
	if b.Load() != published {
		t.Error("the snapshot is another one than was published")
	}
	may = false
	fenced := b.Load()
	if fenced.Exporting || fenced.At != 1 || !published.Exporting {
		t.Errorf("fenced %+v, published %+v", fenced, published)
	}
	may = true // it is not known what was missed meanwhile
	if b.Load() != fenced {
		t.Error("the snapshot is exported again before the next publication")
	}
	next := &Snapshot{At: 2, Exporting: true}
	if b.Publish(next); b.Load() != next {
		t.Error("the next snapshot is not shown")
	}
}
