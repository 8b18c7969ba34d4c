package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
)

// output is a file that is made when the first byte is written, so that a command that
// fails before leaves what is there.
type output struct {
	name   string // "" writes nothing
	prompt bool   // each write is to be seen at once
	stdout io.Writer

	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	size int64 // of the file, without what is buffered
}

func newOutput(cmd *cobra.Command, name string) *output {
	return &output{name: name, stdout: cmd.OutOrStdout()}
}

// Write writes, buffered unless it is prompt. A prompt write that fails leaves nothing in a
// file, and can be tried again.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		if err := o.open(os.O_TRUNC); err != nil {
			return 0, err
		}
	}
	if !o.prompt || o.file == nil {
		n, err := o.w.Write(b)
		if err == nil && o.prompt {
			err = o.w.Flush()
		}
		return n, err
	}
	if _, err := o.file.Write(b); err != nil {
		return 0, errors.Join(err, o.file.Truncate(o.size))
	}
	o.size += int64(len(b))
	return len(b), nil
}

// open opens the output; flag says what becomes of a file that is there.
func (o *output) open(flag int) (err error) {
	to := o.stdout
	switch o.name {
	case "-":
	case "":
		to = io.Discard
	default:
		if o.file, err = os.OpenFile(o.name, os.O_RDWR|os.O_CREATE|os.O_APPEND|flag, 0o666); err != nil {
			return fmt.Errorf("open output: %w", err)
		}
		to = o.file
	}
	o.w = bufio.NewWriterSize(to, 1<<16)
	return nil
}

// Name is the absolute name of the file.
func (o *output) Name() string {
	if name, err := filepath.Abs(o.name); err == nil && o.name != "-" {
		return name
	}
	return o.name
}

// Resume goes on after the first length bytes of what is there.
func (o *output) Resume(length int64) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		if err := o.open(0); err != nil {
			return 0, err
		}
	}
	if o.file == nil {
		return length, nil
	}
	info, err := o.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("resume output: %w", err)
	}
	if info.Mode().IsRegular() {
		if o.size = min(info.Size(), length); o.size < length && length < math.MaxInt64 {
			o.size, err = app.LastLineEnd(o.file, o.size) // what was cut within a line would make the next one part of it
		}
		if err == nil {
			err = o.file.Truncate(o.size)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("resume output: %w", err)
	}
	return o.size, nil
}

// Tail returns the last bytes, up to so many, of the first length bytes of a file; nil if it is shorter, or no file.
func (o *output) Tail(length int64, most int) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		if err := o.open(0); err != nil {
			return nil, err
		}
	}
	if o.file == nil {
		return nil, nil
	}
	info, err := o.file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < length {
		return nil, err
	}
	tail := make([]byte, min(int64(most), length))
	if _, err := o.file.ReadAt(tail, length-int64(len(tail))); err != nil {
		return nil, fmt.Errorf("resume output: %w", err)
	}
	return tail, nil
}

// Aside renames the file, if there is anything in it.
func (o *output) Aside() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		if err := o.open(0); err != nil {
			return "", err
		}
	}
	if o.file == nil {
		return "", nil
	}
	info, err := o.file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return "", err
	}
	aside := fmt.Sprintf("%s.before-%d", o.name, time.Now().UnixNano())
	if err := errors.Join(o.file.Close(), os.Rename(o.name, aside)); err != nil {
		return "", fmt.Errorf("set results aside: %w", err)
	}
	return aside, o.open(os.O_TRUNC)
}

// Sync puts what was written on the disk.
func (o *output) Sync() error {
	if err := o.flush(); err != nil || o.file == nil {
		return err
	}
	if info, err := o.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err // a pipe
	}
	if err := o.file.Sync(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func (o *output) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return nil
	}
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// Close writes what is buffered.
func (o *output) Close() error {
	err := o.flush()
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}
