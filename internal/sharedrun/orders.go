package sharedrun

import (
	"context"
	"encoding/json"
	"fmt"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

func (m *Machine[T, R]) controlKey() (*blob.Bucket, string, error) {
	place := m.job.Sink.ResultFolder()
	folder, err := runfolder.Folder(place.Prefix, m.spec.RunID)
	bucket, _ := place.Bucket.(*blob.Bucket)
	return bucket, folder + runfolder.ControlName, err
}

// mostControl bounds control.json, in bytes.
const mostControl = 1 << 20

// Show writes the orders that all leases of the era follow.
func (m *Machine[T, R]) Show(ctx context.Context, era, version int64, orders coord.Orders) error {
	content, err := json.Marshal(controlFile{Format: 1, Era: era, Version: version, Orders: orders})
	if err != nil {
		return fmt.Errorf("encode %s: %w", runfolder.ControlName, err)
	}
	bucket, key, err := m.controlKey()
	if err != nil {
		return err
	}
	return publish.Replace(ctx, bucket, key, "application/json", content)
}

// Orders returns the orders of the era, which are at most half a second old. ok is false if there
// are none. All leases of a machine may ask: they share the requests.
func (m *Machine[T, R]) Orders(ctx context.Context, era int64) (orders coord.Orders, version int64, ok bool, err error) {
	file, err := m.control.get(ctx, m.readControl)
	if err != nil || file.Format == 0 || file.Era != era {
		return orders, 0, false, err
	}
	return file.Orders, file.Version, true, nil
}

// readControl reads control.json. The zero file: there is none.
func (m *Machine[T, R]) readControl(ctx context.Context) (file controlFile, err error) {
	bucket, key, err := m.controlKey()
	if err != nil {
		return file, err
	}
	content, err := publish.Read(ctx, bucket, key, mostControl)
	if code, _ := guard.Call(func() gcerrors.ErrorCode { return gcerrors.Code(err) }); code == gcerrors.NotFound {
		return file, nil
	}
	if err != nil {
		return file, err
	}
	err = json.Unmarshal(content, &file)
	return file, err
}
