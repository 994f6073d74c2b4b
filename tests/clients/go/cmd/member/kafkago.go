package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

func balancers(strategy string) []kafka.GroupBalancer {
	if strategy == "range" {
		return []kafka.GroupBalancer{kafka.RangeGroupBalancer{}}
	}
	return []kafka.GroupBalancer{kafka.RoundRobinGroupBalancer{}}
}

func complaints(m *member) kafka.Logger {
	return kafka.LoggerFunc(func(format string, values ...any) { complain(m.name, fmt.Sprintf(format, values...)) })
}

func dialer(m *member) *kafka.Dialer {
	return &kafka.Dialer{ClientID: m.name, Timeout: 10 * time.Second}
}

// readGroup is a Reader with a group id, which keeps to itself which partitions it has.
func readGroup(m *member) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: broker(), Dialer: dialer(m), GroupID: m.settings["group"], GroupTopics: m.topics(), GroupBalancers: balancers(m.settings["strategy"]),
		SessionTimeout: m.duration("session"), HeartbeatInterval: m.duration("heartbeat"), RebalanceTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond, WatchPartitionChanges: true, PartitionWatchInterval: time.Second,
		StartOffset: kafka.FirstOffset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, ErrorLogger: complaints(m),
	})
	for !m.left() {
		message, err := reader.FetchMessage(m.leaving)
		if err != nil {
			complain(m.name, err)
			continue
		}
		m.handled(message.Topic, int32(message.Partition), message.Offset, message.Value)
		within, done := soon()
		// Where the group has moved on meanwhile, another member handles the record again.
		if err := reader.CommitMessages(within, message); err != nil {
			complain(m.name, "commit:", err)
		}
		done()
	}
	return reader.Close()
}

// readGenerations is a ConsumerGroup: of each generation the partitions are read by a Reader each.
func readGenerations(m *member) error {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: m.settings["group"], Brokers: broker(), Dialer: dialer(m), Topics: m.topics(), GroupBalancers: balancers(m.settings["strategy"]),
		SessionTimeout: m.duration("session"), HeartbeatInterval: m.duration("heartbeat"), RebalanceTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond, WatchPartitionChanges: true, PartitionWatchInterval: time.Second,
		StartOffset: kafka.FirstOffset, ErrorLogger: complaints(m),
	})
	if err != nil {
		return err
	}
	var had map[string][]int32
	for !m.left() {
		generation, err := group.Next(m.leaving)
		if err != nil {
			complain(m.name, err)
			continue
		}
		m.loses(had)
		had = map[string][]int32{}
		for topic, assignments := range generation.Assignments {
			for _, assignment := range assignments {
				had[topic] = append(had[topic], int32(assignment.ID))
				generation.Start(func(ctx context.Context) { readPartition(ctx, m, generation, topic, assignment) })
			}
		}
		m.gains(had)
	}
	return group.Close()
}

func readPartition(ctx context.Context, m *member, generation *kafka.Generation, topic string, from kafka.PartitionAssignment) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: broker(), Topic: topic, Partition: from.ID, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, ReadBatchTimeout: time.Second, ErrorLogger: complaints(m),
	})
	defer reader.Close()
	if err := reader.SetOffset(from.Offset); err != nil {
		complain(m.name, err)
		return
	}
	for ctx.Err() == nil {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			complain(m.name, err)
			continue
		}
		m.handled(topic, int32(from.ID), message.Offset, message.Value)
		if err := generation.CommitOffsets(map[string]map[int]int64{topic: {from.ID: message.Offset + 1}}); err != nil {
			complain(m.name, "commit:", err)
		}
	}
}
