package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// oddKeys have characters that the drivers of gocloud escape, so that clouds sort them elsewhere.
func oddKeys() []string {
	return []string{
		"data/report #1", "data/report A", "data/report %41", "data/report ?", "data/report \"x\"", "data/report\ttab",
		"data/report\x01", "data/report z", "data/up/../x", "data/up/..0", "data/up/..a", "data/__0x41__", "data/back\\slash",
		"data/line\nend", "data/é#", "data/éa", "data/a b", "data/plain", "data/report \x7f", "data/end /x",
	}
}

// TestOddKeysAreListedInTheOrderOfTheStore suspends a run after each number of items and resumes
// it, until each object was an item once.
func TestEmulatedOddKeysAreListedInTheOrderOfTheStore(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	onEachEmulator(t, func(t *testing.T, e emulator) {
		_, b := e.bucket(t)
		for _, key := range oddKeys() {
			put(t, b, map[string]string{key: key})
		}
		for name, options := range map[string]source.ObjectsOptions{
			"store": {Store: e.features}, "store, one lister": {Store: e.features, Listers: 1}, "gocloud alone": {},
		} {
			for _, prefix := range []string{"data/", "data/report"} {
				t.Run(name+" "+prefix, func(t *testing.T) {
					t.Parallel()
					suspendedKeys(t, b, prefix, options)
				})
			}
		}
	})
}

func suspendedKeys(t *testing.T, b *blob.Bucket, prefix string, options source.ObjectsOptions) {
	var want []string
	for _, key := range oddKeys() {
		if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			want = append(want, key)
		}
	}
	runID, enough := unique(), errors.New("enough")
	var mu sync.Mutex
	var got []string
	for process := 0; ; process++ {
		require.Less(t, process, 4*len(want), "the run does not get ahead: %q", got)
		ctx, suspend := context.WithCancelCause(t.Context())
		calls := 0
		_, err := dmap.Map(ctx, source.Objects(b, prefix, options), func(ctx context.Context, o source.Object) (string, error) {
			content, err := o.ReadAll(ctx)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, o.Key)
			if calls++; calls == 3 {
				suspend(fmt.Errorf("%w: %w", dmap.ErrSuspended, enough))
			}
			return string(content), err
		}, dmap.Options{RunID: runID, MaxConcurrency: 2}, stringSink(b))
		suspend(nil)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, enough)
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
	var outputs []string
	m, err := results.Load(t.Context(), b, "runs", runID)
	require.NoError(t, err)
	for r, err := range results.Successes[string](t.Context(), b, m) {
		require.NoError(t, err)
		outputs = append(outputs, r.Output)
	}
	slices.Sort(outputs)
	require.Equal(t, want, outputs)
}

// An object that another tool has named cannot be read by gocloud, which escapes its key. It costs
// its item, with any number of listers.
func TestAzureKeysOfOtherToolsCostTheirItemsOnly(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	e := emulators()[1]
	_, b := e.bucket(t)
	var client *container.Client
	require.True(t, b.As(&client))
	put(t, b, map[string]string{"data/report A": "1", "data/report #1": "2", "data/z": "3"})
	_, err := client.NewBlockBlobClient("data/report #0").UploadBuffer(t.Context(), []byte("4"), nil)
	require.NoError(t, err)
	for name, options := range map[string]source.ObjectsOptions{"store": {Store: e.features}, "gocloud alone": {}} {
		t.Run(name, func(t *testing.T) {
			var failed []string
			stats, err := dmap.Map(t.Context(), source.Objects(b, "data/", options), func(ctx context.Context, o source.Object) (string, error) {
				content, err := o.ReadAll(ctx)
				if err != nil {
					failed = append(failed, o.Key)
				}
				return string(content), err
			}, dmap.Options{RunID: unique(), MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 1}}, stringSink(b))
			require.NoError(t, err)
			require.EqualValues(t, 4, stats.Read)
			require.Equal(t, []string{"data/report #0"}, failed)
		})
	}
}
