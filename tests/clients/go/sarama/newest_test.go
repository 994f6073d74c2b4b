//go:build !oldest

package sarama

import (
	"testing"

	"github.com/IBM/sarama"

	"millstream/clients/internal/harness"
)

const oldest = false

func TestSettingsAreAlteredOneByOne(t *testing.T) {
	topic := harness.NewTopic(t, 1, map[string]string{"segment.bytes": "1048576"})
	a, wanted := admin(t, config(sarama.MaxVersion)), "1234567"
	change := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &wanted}}
	if err := a.IncrementalAlterConfig(sarama.TopicResource, topic, change, false); err != nil {
		t.Fatal(err)
	}
	await(t, "retention.ms is altered", func() bool { return setting(t, a, topic, "retention.ms") == wanted })
	if got := setting(t, a, topic, "segment.bytes"); got != "1048576" {
		t.Errorf("segment.bytes is %s", got)
	}
}

func TestAdminListsOffsets(t *testing.T) {
	topic := harness.NewTopic(t, 2, nil)
	start := numbered(t, topic, 100)
	a := admin(t, config(sarama.MaxVersion))
	for at, offset := range map[int64]int64{sarama.OffsetOldest: 0, sarama.OffsetNewest: 100, start.UnixMilli() + 41_500: 42} {
		answer, err := a.ListOffsets(map[string]map[int32]int64{topic: {0: at}}, nil)
		if err != nil || answer[topic][0].Err != sarama.ErrNoError || answer[topic][0].Offset != offset {
			t.Errorf("%d: %+v, %v; expected offset %d", at, answer[topic][0], err, offset)
		}
	}
}
