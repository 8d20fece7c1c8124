package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// bench is the measurement of a job.
type bench struct {
	job     job
	workers int
	folder  string
	server  *server
}

// measure prints the figures of a job.
func measure(ctx context.Context, j job, workers, rounds int, pragmas []string) (err error) {
	folder, err := os.MkdirTemp("", "dmap-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	b := &bench{job: j, workers: workers, folder: folder}
	if b.server, err = startServer(ctx, folder, pragmas); err != nil {
		return err
	}
	defer b.server.close()
	programs := []program{{"one process", b.local}, {fmt.Sprintf("dmap, %d workers", workers), b.shared}}
	if !j.Lines {
		programs = append(programs, program{fmt.Sprintf("batches of %d, %d workers", batchItems, workers), b.batches})
	}
	found := make([][]figures, len(programs))
	for round := range rounds {
		for i, p := range programs {
			f, err := p.run(ctx, round)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", j.Name, p.name, err)
			}
			found[i] = append(found[i], f)
		}
	}
	report(j, programs, found)
	return nil
}

// place makes the folder of a round.
func (b *bench) place(ctx context.Context, name string, round int) (string, error) {
	folder := filepath.Join(b.folder, fmt.Sprintf("%s-%d", name, round))
	bucket, err := blob.OpenBucket(ctx, folderURL(folder))
	if err != nil {
		return "", err
	}
	return folder, errors.Join(b.job.prepare(ctx, bucket), bucket.Close())
}

func (b *bench) local(ctx context.Context, round int) (f figures, err error) {
	folder, err := b.place(ctx, "local", round)
	if err != nil {
		return f, err
	}
	f.items = b.job.Items
	f.workers, f.wall, err = runLocal(ctx, orders{Kind: "local", Job: b.job, Folder: folder})
	return f, errors.Join(err, os.RemoveAll(folder))
}

func (b *bench) shared(ctx context.Context, round int) (figures, error) {
	id := fmt.Sprintf("%s-%d", b.job.Name, round)
	f, err := b.onWorkers(ctx, "worker", round, "dmap/"+id, func(folder string) error {
		bucket, err := blob.OpenBucket(ctx, folderURL(folder))
		if err != nil {
			return err
		}
		defer bucket.Close()
		run, err := b.job.define(bucket).Start(ctx, b.server.client, queue, id, struct{}{}, dmaptemporal.Settings{
			MaxConcurrency: b.job.Slots, PerLease: b.job.Each, Tolerance: dmap.Tolerance{},
		})
		if err != nil {
			return err
		}
		stats, err := run.Wait()
		if err == nil && stats.Succeeded != int64(b.job.Items) {
			err = fmt.Errorf("%d of %d items", stats.Succeeded, b.job.Items)
		}
		return err
	})
	f.items = b.job.Items
	return f, err
}

func (b *bench) batches(ctx context.Context, round int) (figures, error) {
	id := fmt.Sprintf("batches-%s-%d", b.job.Name, round)
	j := b.job
	if j.Few > 0 {
		j.Items = min(j.Items, j.Few)
	}
	f, err := b.onWorkers(ctx, "batches", round, id, func(string) error { return runBatches(ctx, b.server.client, j, id) })
	f.items = j.Items
	return f, err
}

// onWorkers measures run with workers of a kind.
func (b *bench) onWorkers(ctx context.Context, kind string, round int, workflow string, run func(folder string) error) (f figures, err error) {
	folder, err := b.place(ctx, kind, round)
	if err != nil {
		return f, err
	}
	var workers []*process
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.stop())
		}
		err = errors.Join(err, os.RemoveAll(folder))
	}()
	pids := []int{b.server.Process.Pid}
	for range b.workers {
		w, err := startChild(ctx, orders{Kind: kind, Job: b.job, Folder: folder, Server: b.server.address})
		if err != nil {
			return f, err
		}
		workers, pids = append(workers, w), append(pids, w.Process.Pid)
	}
	idle, err := b.server.idle(ctx)
	if err != nil {
		return f, err
	}
	asked, err := b.server.requests(ctx)
	if err != nil {
		return f, err
	}
	before, err := cpus(pids)
	if err != nil {
		return f, err
	}
	began := time.Now()
	if err := run(folder); err != nil {
		return f, err
	}
	f.wall = time.Since(began)
	after, err := cpus(pids)
	if err != nil {
		return f, err
	}
	f.server, f.idle = after[0]-before[0], time.Duration(idle*float64(f.wall))
	for i := range workers {
		f.workers += after[i+1] - before[i+1]
	}
	total, err := b.server.requests(ctx)
	if err != nil {
		return f, err
	}
	f.requests = total.since(asked)
	f.history, err = readHistory(ctx, b.server.client, workflow)
	return f, err
}

func cpus(pids []int) (out []time.Duration, err error) {
	for _, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		out = append(out, cpu)
	}
	return out, nil
}
