package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pollGroup is a franz-go client whose rebalances wait while it handles and commits what it polled.
func pollGroup(m *member) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(broker()...), kgo.ClientID(m.name), kgo.ConsumerGroup(m.settings["group"]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.MetadataMinAge(500 * time.Millisecond), kgo.MetadataMaxAge(time.Second),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.gains(partitions) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
			if err := client.CommitUncommittedOffsets(ctx); err != nil {
				complain(m.name, "commit of what is revoked:", err)
			}
			m.loses(partitions)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.loses(partitions) }),
	}
	if m.settings["strategy"] == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	} else {
		balancer := map[string]kgo.GroupBalancer{
			"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
		}[m.settings["strategy"]]
		options = append(options, kgo.Balancers(balancer), kgo.SessionTimeout(m.duration("session")), kgo.HeartbeatInterval(m.duration("heartbeat")),
			kgo.RebalanceTimeout(10*time.Second))
	}
	if pattern := m.settings["pattern"]; pattern != "" {
		options = append(options, kgo.ConsumeRegex(), kgo.ConsumeTopics(pattern))
	} else {
		options = append(options, kgo.ConsumeTopics(m.topics()...))
	}
	if instance := m.settings["instance"]; instance != "" {
		options = append(options, kgo.InstanceID(instance))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	for !m.left() {
		m.rest()
		within, done := context.WithTimeout(m.leaving, 200*time.Millisecond)
		fetches := client.PollRecords(within, 100)
		done()
		for _, failed := range fetches.Errors() {
			if failed.Err != context.DeadlineExceeded && failed.Err != context.Canceled {
				complain(m.name, fmt.Sprintf("%s/%d: %v", failed.Topic, failed.Partition, failed.Err))
			}
		}
		if records := fetches.Records(); len(records) > 0 {
			for _, record := range records {
				m.handled(record.Topic, record.Partition, record.Offset, record.Value)
			}
			within, done := soon()
			if err := client.CommitRecords(within, records...); err != nil {
				complain(m.name, "commit:", err)
			}
			done()
		}
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
	return nil
}
