package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"syscall"
)

// The form of the library's pages. It follows whatever a damaged one says, into any memory, so that they are checked before.
// Numbers are in the machine's byte order. A page begins with its id, flags, the number of its elements, and how many pages it
// takes beyond the first.
const (
	headerSize  = 16
	elementSize = 16 // of a branch: position, size of key, page; of a leaf: flags, position, sizes of key and value
	bucketSize  = 16 // root page, sequence; a bucket whose root is 0 has a page of its own behind that
	metaSize    = 64 // magic, version, page size, flags, root bucket, free list, end, transaction, checksum

	branchPage = 1
	leafPage   = 2
	freePage   = 16
	metaPages  = 2         // they are first in the file
	manyFree   = 1<<16 - 1 // as number of elements: it is in the first one
)

var errPages = errors.New("its pages make no sense")

func u16(b []byte) int    { return int(binary.NativeEndian.Uint16(b)) }
func u32(b []byte) uint64 { return uint64(binary.NativeEndian.Uint32(b)) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// pages is a file whose pages are checked: each is in one place, is what it says there, and has its elements within it, in order.
type pages struct {
	data []byte
	size uint64 // of a page
	used []bool
}

// checkPages fails if pages of the file are damaged so that the library would be led astray. The file must be locked.
func checkPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	p := &pages{data: data}
	err = p.check()
	return errors.Join(err, syscall.Munmap(data))
}

func (p *pages) check() error {
	meta := p.meta()
	if meta == nil {
		return errPages
	}
	p.size = u32(meta[8:])
	end := u64(meta[40:])
	if p.size < headerSize+metaSize || end > uint64(len(p.data))/p.size {
		return errPages
	}
	p.used = make([]bool, end)
	if err := p.tree(u64(meta[16:]), true); err != nil {
		return err
	}
	return p.free(u64(meta[32:]))
}

// meta returns the newer of the meta pages that are whole, nil if none is.
func (p *pages) meta() (newest []byte) {
	size := os.Getpagesize()
	for i := range metaPages {
		if (i+1)*size > len(p.data) {
			break
		}
		m := p.data[i*size+headerSize:][:metaSize]
		h := fnv.New64a()
		h.Write(m[:metaSize-8])
		if h.Sum64() == u64(m[metaSize-8:]) && (newest == nil || u64(m[48:]) > u64(newest[48:])) {
			newest = m
		}
	}
	return newest
}

// take returns a page with all that it takes, and fails if it is not there or was met before.
func (p *pages) take(id uint64) ([]byte, error) {
	end := uint64(len(p.used))
	if id < metaPages || id >= end {
		return nil, errPages
	}
	b := p.data[id*p.size:]
	more := u32(b[12:])
	if u64(b) != id || more >= end-id {
		return nil, errPages
	}
	for i := id; i <= id+more; i++ {
		if p.used[i] {
			return nil, errPages
		}
		p.used[i] = true
	}
	return b[:(more+1)*p.size], nil
}

// tree checks a page and what is below it. Only the root of a bucket may be empty.
func (p *pages) tree(id uint64, root bool) error {
	b, err := p.take(id)
	if err != nil {
		return err
	}
	if u16(b[8:]) == leafPage {
		return p.leaf(b, root)
	}
	if u16(b[8:]) != branchPage || u16(b[10:]) == 0 {
		return errPages
	}
	return elements(b, func(e []byte) (keyAt, keySize, valueSize uint64, err error) {
		return u32(e), u32(e[4:]), 0, p.tree(u64(e[8:]), false)
	})
}

// leaf checks the page of a leaf, and the buckets in it.
func (p *pages) leaf(b []byte, root bool) error {
	if u16(b[8:]) != leafPage || u16(b[10:]) == 0 && !root {
		return errPages
	}
	return elements(b, func(e []byte) (keyAt, keySize, valueSize uint64, err error) {
		keyAt, keySize, valueSize = u32(e[4:]), u32(e[8:]), u32(e[12:])
		switch u32(e) {
		case 0:
			return keyAt, keySize, valueSize, nil
		case 1:
			value := keyAt + keySize
			if value+valueSize > uint64(len(e)) || valueSize < bucketSize {
				return 0, 0, 0, errPages
			}
			if id := u64(e[value:]); id != 0 {
				return keyAt, keySize, valueSize, p.tree(id, true)
			}
			if valueSize < bucketSize+headerSize {
				return 0, 0, 0, errPages
			}
			return keyAt, keySize, valueSize, p.leaf(e[value+bucketSize:value+valueSize], true)
		}
		return 0, 0, 0, errPages
	})
}

// elements calls f with all behind the beginning of each element of a page. It returns where in that the key is, and how long
// key and value are.
func elements(b []byte, f func(e []byte) (keyAt, keySize, valueSize uint64, err error)) error {
	count := u16(b[10:])
	if headerSize+count*elementSize > len(b) {
		return errPages
	}
	var last []byte
	for i := range count {
		e := b[headerSize+i*elementSize:]
		at, size, value, err := f(e)
		if err != nil {
			return err
		}
		if at < uint64((count-i)*elementSize) || at+size+value > uint64(len(e)) {
			return errPages
		}
		key := e[at : at+size]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return errPages
		}
		last = key
	}
	return nil
}

// free checks the list of pages that are free.
func (p *pages) free(id uint64) error {
	b, err := p.take(id)
	if err != nil {
		return err
	}
	count, ids := uint64(u16(b[10:])), b[headerSize:]
	if count == manyFree {
		count, ids = u64(ids), ids[8:]
	}
	if u16(b[8:]) != freePage || count > uint64(len(ids))/8 {
		return errPages
	}
	for ; count > 0; count-- {
		id := u64(ids)
		if id < metaPages || id >= uint64(len(p.used)) || p.used[id] {
			return errPages
		}
		p.used[id], ids = true, ids[8:]
	}
	return nil
}
