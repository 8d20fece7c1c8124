package dmaptest

import (
	"context"
	"net/http"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/drivertest"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
)

// TestGocloudConformance runs gocloud's own suite for drivers on a FaultBucket without faults.
func TestGocloudConformance(t *testing.T) {
	t.Run("memblob", func(t *testing.T) {
		drivertest.RunConformanceTests(t, func(_ context.Context, t *testing.T) (drivertest.Harness, error) {
			bucket := memblob.OpenBucket(nil)
			t.Cleanup(func() { _ = bucket.Close() })
			return &harness{t: t, open: func() (*blob.Bucket, error) { return bucket, nil }}, nil
		}, nil)
	})
	t.Run("fileblob", func(t *testing.T) {
		drivertest.RunConformanceTests(t, func(_ context.Context, t *testing.T) (drivertest.Harness, error) {
			dir := t.TempDir()
			return &harness{t: t, open: func() (*blob.Bucket, error) {
				return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
			}}, nil
		}, nil)
	})
}

// harness makes the drivers that gocloud's suite asks for.
type harness struct {
	t    *testing.T
	open func() (*blob.Bucket, error)
}

func (h *harness) MakeDriver(context.Context) (driver.Bucket, error) {
	inner, err := h.open()
	if err != nil {
		return nil, err
	}
	return &store{inner: inner, faults: NewFaultBucket(h.t, inner)}, nil
}

// MakeDriverForNonexistentBucket has nothing to make: mem and file buckets exist once they are
// open.
func (h *harness) MakeDriverForNonexistentBucket(context.Context) (driver.Bucket, error) {
	return nil, nil
}

func (h *harness) HTTPClient() *http.Client         { return nil }
func (h *harness) SupportsCopy() bool               { return true }
func (h *harness) SupportsNonSlashDelimiters() bool { return true }
func (h *harness) Close()                           {}
