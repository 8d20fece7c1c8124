package results_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

func TestAnExportHasTheLayoutOfStepFunctions(t *testing.T) {
	for _, lines := range []bool{false, true} {
		t.Run(fmt.Sprint("lines ", lines), func(t *testing.T) {
			bucket := memory(t)
			generation{"first", 3, countTo(30), sink.BucketOptions{Inputs: sink.InputsAll, PartBytes: 900}}.run(t, bucket)
			m, err := results.Load(t.Context(), bucket, "runs/", "first")
			require.NoError(t, err)
			options := results.ExportOptions{
				URL: "s3://results", ARN: "arn:aws:states:eu-west-1:123456789012", StateMachine: "Orders", Label: "Charge", Lines: lines, FileBytes: 4000,
			}
			for range 2 { // a repetition changes nothing
				key, err := results.ExportStepFunctions(t.Context(), bucket, m, bucket, "sfn/", options)
				require.NoError(t, err)
				require.Equal(t, "sfn/first/manifest.json", key)
			}
			var manifest struct {
				DestinationBucket, MapRunArn string
				ResultFiles                  map[string][]struct {
					Key  string
					Size int
				}
			}
			content, err := bucket.ReadAll(t.Context(), "sfn/first/manifest.json")
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(content, &manifest))
			require.Equal(t, "s3://results", manifest.DestinationBucket)
			require.Equal(t, "arn:aws:states:eu-west-1:123456789012:mapRun:Orders/Charge:first", manifest.MapRunArn)
			require.Equal(t, []string{"FAILED", "PENDING", "SUCCEEDED"}, slices.Sorted(maps.Keys(manifest.ResultFiles)))
			require.NotNil(t, manifest.ResultFiles["PENDING"], "[], not null")
			require.Empty(t, manifest.ResultFiles["PENDING"])
			require.Greater(t, len(manifest.ResultFiles["SUCCEEDED"]), 2)
			for kind, files := range manifest.ResultFiles {
				for i, file := range files {
					require.Equal(t, fmt.Sprintf("sfn/first/%s_%d.json", kind, i), file.Key)
					content, err := bucket.ReadAll(t.Context(), file.Key)
					require.NoError(t, err)
					require.Len(t, content, file.Size)
					require.Equal(t, lines, content[0] == '{')
				}
			}
			var inputs []int
			for _, item := range itemsOf(t, source.Failures[int](bucket, "sfn/first/manifest.json")) {
				require.NoError(t, item.Err)
				inputs = append(inputs, item.Value)
			}
			require.ElementsMatch(t, []int{3, 6, 9, 12, 15, 18, 21, 24, 27, 30}, inputs)
		})
	}
}

func TestExportedRecordsHaveTheFieldsOfStepFunctions(t *testing.T) {
	bucket := memory(t)
	generation{"first", 2, countTo(2), sink.BucketOptions{Inputs: sink.InputsAll}}.run(t, bucket)
	m, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	_, err = results.ExportStepFunctions(t.Context(), bucket, m, bucket, "sfn/")
	require.NoError(t, err)
	fields := func(key string) map[string]any {
		content, err := bucket.ReadAll(t.Context(), key)
		require.NoError(t, err)
		var list []map[string]any
		require.NoError(t, json.Unmarshal(content, &list))
		require.Len(t, list, 1)
		return list[0]
	}
	good, bad := fields("sfn/first/SUCCEEDED_0.json"), fields("sfn/first/FAILED_0.json")
	require.Equal(t, []string{"ExecutionArn", "Input", "InputDetails", "Name", "Output", "OutputDetails", "RedriveCount", "RedriveStatus",
		"RedriveStatusReason", "StartDate", "StateMachineArn", "Status", "StopDate"}, slices.Sorted(maps.Keys(good)))
	require.Equal(t, []string{"Cause", "Error", "ExecutionArn", "Input", "InputDetails", "Name", "RedriveCount", "RedriveStatus",
		"StartDate", "StateMachineArn", "Status", "StopDate"}, slices.Sorted(maps.Keys(bad)))
	require.Equal(t, `"1 of first"`, good["Output"], "JSON text in a string")
	require.Equal(t, "1", good["Input"])
	require.Equal(t, map[string]any{"Included": true}, good["InputDetails"])
	require.Equal(t, "SUCCEEDED", good["Status"])
	require.Equal(t, "NOT_REDRIVABLE", good["RedriveStatus"])
	require.Equal(t, "FAILED", bad["Status"])
	require.Equal(t, "2 fails in first", bad["Cause"])
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, good["Name"])
	require.Equal(t, "arn:aws:states:local:000000000000:execution:dmap/Map:"+good["Name"].(string), good["ExecutionArn"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, good["StopDate"])
}

func TestAnExportNeverOverwrites(t *testing.T) {
	bucket := memory(t)
	generation{"first", 2, countTo(4), sink.BucketOptions{}}.run(t, bucket)
	m, err := results.Load(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	_, err = results.ExportStepFunctions(t.Context(), bucket, m, bucket, "runs/")
	require.ErrorContains(t, err, "the folder of the run itself")
	require.NoError(t, bucket.WriteAll(t.Context(), "sfn/first/manifest.json", []byte("{}"), nil))
	_, err = results.ExportStepFunctions(t.Context(), bucket, m, bucket, "sfn/")
	require.ErrorContains(t, err, "exists already")
	for _, o := range []results.ExportOptions{{FileBytes: -1}, {URL: "mailto:x"}} {
		_, err = results.ExportStepFunctions(t.Context(), bucket, m, bucket, "other/", o)
		require.Error(t, err)
	}
	there, err := bucket.Exists(t.Context(), "other/first/manifest-000.json")
	require.NoError(t, err)
	require.False(t, there)
}

func itemsOf[T any](t *testing.T, src dmap.Source[T]) (items []dmap.Item[T]) {
	t.Helper()
	for item, err := range src.Items(t.Context()) {
		require.NoError(t, err)
		items = append(items, item)
	}
	return items
}
