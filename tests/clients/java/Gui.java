import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConsumerGroupOffsetsResult;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DeleteConsumerGroupOffsetsResult;
import org.apache.kafka.clients.admin.DeleteTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsResult;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The calls of Kafka's Admin that kafka-ui, AKHQ and Offset Explorer make, their results printed in a fixed order, one fact
 * a line; and members of groups (join, leave), so that there is something to ask about. Usage: Gui --bootstrap-server HOST:PORT CALL [ARGUMENT...]
 */
public final class Gui {
    private static Admin admin;
    private static String broker;

    public static void main(String[] arguments) throws Exception {
        List<String> rest = List.of(arguments).subList(3, arguments.length);
        if (arguments[2].equals("produce")) {
            produce(arguments[1], rest);
            return;
        }
        broker = arguments[1];
        try (Admin made = Admin.create(Map.of("bootstrap.servers", arguments[1], "request.timeout.ms", 5000, "default.api.timeout.ms", 5000))) {
            admin = made;
            call(arguments[2], rest);
        }
    }

    /** TOPIC PARTITION RECORDS CODEC FIRST_TIMESTAMP: one batch, its records a second apart. */
    private static void produce(String broker, List<String> a) throws Exception {
        Map<String, Object> properties = Map.of("bootstrap.servers", broker, "compression.type", a.get(3), "linger.ms", 1000,
            "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class);
        long timestamp = Long.parseLong(a.get(4));
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            for (int i = 0; i < Integer.parseInt(a.get(2)); i++) {
                producer.send(new ProducerRecord<>(a.get(0), Integer.parseInt(a.get(1)), timestamp + i * 1000L,
                    ("key-" + i).getBytes(StandardCharsets.UTF_8), ("value " + i).getBytes(StandardCharsets.UTF_8)));
            }
        }
    }

    private static void call(String name, List<String> a) throws Exception {
        switch (name) {
            case "describeCluster" -> describeCluster();
            case "listTopics" -> show("listings", admin.listTopics(new ListTopicsOptions().listInternal(true)).listings());
            case "describeTopics" -> {
                TopicCollection topics = TopicCollection.ofTopicNames(a);
                each(admin.describeTopics(topics, new DescribeTopicsOptions().includeAuthorizedOperations(true)).topicNameValues());
            }
            case "describeTopicsById" -> {
                TopicDescription one = admin.describeTopics(a).allTopicNames().get().get(a.get(0));
                each(Map.of("by id", admin.describeTopics(TopicCollection.ofTopicIds(List.of(one.topicId()))).topicIdValues().get(one.topicId())));
            }
            case "describeConfigs" -> {
                // kafka-ui asks for synonyms and documentation of topics and brokers, AKHQ for neither.
                boolean all = a.size() > 2;
                ConfigResource resource = new ConfigResource(ConfigResource.Type.valueOf(a.get(0)), a.get(1));
                DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(all).includeDocumentation(all);
                Map<ConfigResource, KafkaFuture<Config>> values = admin.describeConfigs(List.of(resource), options).values();
                if (failed("", values.get(resource))) return;
                for (ConfigEntry entry : new TreeMap<>(values.get(resource).get().entries().stream().collect(Collectors.toMap(ConfigEntry::name, e -> e))).values()) {
                    System.out.println(entry.name() + "=" + entry.value() + " " + entry.type() + " " + entry.source()
                        + (entry.isSensitive() ? " sensitive" : "") + (entry.isReadOnly() ? " read-only" : "") + " " + entry.synonyms()
                        + (entry.documentation() == null ? " no words" : entry.documentation().isBlank() ? " blank words" : " words"));
                }
            }
            case "describeLogDirs" -> describeLogDirs(a);
            case "describeReplicaLogDirs" -> each(admin.describeReplicaLogDirs(List.of(
                new TopicPartitionReplica(a.get(0), 0, 1), new TopicPartitionReplica("no-such-topic", 0, 1))).values());
            case "listOffsets" -> listOffsets(a.get(0));
            case "createTopics" -> {
                CreateTopicsResult result = admin.createTopics(List.of(
                    new NewTopic(a.get(0), Optional.of(3), Optional.empty()).configs(Map.of("retention.ms", "3600000", "cleanup.policy", "compact,delete")),
                    new NewTopic(a.get(0) + "-defaults", Optional.empty(), Optional.empty())));
                each(result.values());
                for (String topic : new TreeSet<>(result.values().keySet())) {
                    show(topic + " partitions", result.numPartitions(topic));
                    show(topic + " replication", result.replicationFactor(topic));
                    show(topic + " cleanup.policy", result.config(topic).thenApply(config -> config.get("cleanup.policy")));
                }
            }
            case "createPartitions" -> each(admin.createPartitions(Map.of(a.get(0), NewPartitions.increaseTo(Integer.parseInt(a.get(1))))).values());
            case "deleteTopics" -> {
                DeleteTopicsResult result = admin.deleteTopics(TopicCollection.ofTopicNames(a));
                each(result.topicNameValues());
            }
            case "deleteRecords" -> {
                TopicPartition partition = new TopicPartition(a.get(0), Integer.parseInt(a.get(1)));
                show("low watermark", admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(Long.parseLong(a.get(2)))))
                    .lowWatermarks().get(partition).thenApply(deleted -> deleted.lowWatermark()));
            }
            case "incrementalAlterConfigs" -> {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.valueOf(a.get(0)), a.get(1));
                AlterConfigOp op = new AlterConfigOp(new ConfigEntry(a.get(3), a.get(4)), AlterConfigOp.OpType.valueOf(a.get(2)));
                each(admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).values());
            }
            case "describeAcls" -> show("acls", admin.describeAcls(AclBindingFilter.ANY).values());
            case "describeClientQuotas" -> show("quotas", admin.describeClientQuotas(ClientQuotaFilter.all()).entities());
            case "describeClientQuotasOf" -> show("quotas", admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(
                ClientQuotaFilterComponent.ofEntity(a.get(0), a.get(1))))).entities());
            case "alterClientQuotas" -> {
                ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(a.get(0), a.get(1)));
                each(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(
                    new ClientQuotaAlteration.Op(a.get(2), a.size() > 3 ? Double.valueOf(a.get(3)) : null))))).values());
            }
            case "describeProducers" -> {
                TopicPartition partition = new TopicPartition(a.get(0), 0);
                show("producers", admin.describeProducers(List.of(partition)).partitionResult(partition)
                    .thenApply(state -> state.activeProducers().stream().map(p -> "epoch " + p.producerEpoch() + " last sequence " + p.lastSequence()
                        + " last timestamp " + p.lastTimestamp() + " transaction " + p.currentTransactionStartOffset() + " coordinator " + p.coordinatorEpoch()).toList()));
            }
            case "describeMetadataQuorum" -> {
                KafkaFuture<QuorumInfo> quorum = admin.describeMetadataQuorum().quorumInfo();
                if (failed("", quorum)) return;
                QuorumInfo info = quorum.get();
                System.out.println("leader " + info.leaderId() + " voters " + info.voters().size() + " observers " + info.observers().size());
                QuorumInfo.ReplicaState voter = info.voters().get(0);
                System.out.println("voter " + voter.replicaId() + " at the end: " + (voter.logEndOffset() >= info.highWatermark())
                    + " fetched: " + voter.lastFetchTimestamp().isPresent() + " caught up: " + voter.lastCaughtUpTimestamp().isPresent());
                info.nodes().forEach((id, node) -> System.out.println("node " + id + " " + node.endpoints()));
            }
            case "alterPartitionReassignments" -> each(admin.alterPartitionReassignments(Map.of(
                new TopicPartition(a.get(0), 0), Optional.of(new NewPartitionReassignment(List.of(1))),
                new TopicPartition(a.get(0), 99), Optional.of(new NewPartitionReassignment(List.of(1))),
                new TopicPartition(a.get(0), 1), Optional.empty())).values());
            case "listPartitionReassignments" -> show("reassignments", admin.listPartitionReassignments().reassignments());
            case "alterReplicaLogDirs" -> each(admin.alterReplicaLogDirs(Map.of(
                new TopicPartitionReplica(a.get(0), 0, 1), a.get(1))).values());
            case "describeFeatures" -> {
                // kafka-ui reads from the metadata version what the cluster can do.
                var features = admin.describeFeatures().featureMetadata().get();
                new TreeMap<>(features.finalizedFeatures()).forEach((feature, range) -> System.out.println("finalized " + feature + " " + range));
                new TreeMap<>(features.supportedFeatures()).forEach((feature, range) -> System.out.println("supported " + feature + " " + range));
            }
            case "listConfigResources" -> show("resources", admin.listConfigResources(
                a.isEmpty() ? Set.of() : Set.of(ConfigResource.Type.valueOf(a.get(0))), new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all());
            case "listTransactions" -> show("transactions", admin.listTransactions().all());
            case "join" -> GuiMembers.join(broker, a.get(0), a.get(1), a.get(2), List.of(a.get(3).split(",")), a.size() > 4 ? a.get(4) : null);
            case "leave" -> GuiMembers.leave(broker, a.get(0));
            case "listGroups" -> listGroups(a);
            case "listConsumerGroups" -> listConsumerGroups();
            case "describeConsumerGroups" -> describeConsumerGroups(a);
            case "describeClassicGroups" -> describeClassicGroups(a);
            case "listConsumerGroupOffsets" -> listConsumerGroupOffsets(a);
            case "alterConsumerGroupOffsets" -> {
                // GROUP, then PARTITION=OFFSET, all of them in one call.
                Map<TopicPartition, OffsetAndMetadata> offsets = new TreeMap<>(Comparator.comparing(TopicPartition::toString));
                for (String word : a.subList(1, a.size())) {
                    offsets.put(partition(word.split("=")[0]), new OffsetAndMetadata(Long.parseLong(word.split("=")[1]), Optional.of(0), "by hand"));
                }
                AlterConsumerGroupOffsetsResult result = admin.alterConsumerGroupOffsets(a.get(0), offsets);
                for (TopicPartition partition : offsets.keySet()) show(partition.toString(), result.partitionResult(partition));
            }
            case "deleteConsumerGroupOffsets" -> {
                Set<TopicPartition> partitions = a.subList(1, a.size()).stream().map(Gui::partition).collect(Collectors.toCollection(LinkedHashSet::new));
                DeleteConsumerGroupOffsetsResult result = admin.deleteConsumerGroupOffsets(a.get(0), partitions);
                for (TopicPartition partition : partitions) show(partition.toString(), result.partitionResult(partition));
            }
            case "deleteConsumerGroups" -> each(admin.deleteConsumerGroups(a).deletedGroups());
            case "removeMembers" -> {
                // GROUP, then instance ids; without them every member.
                Set<MemberToRemove> members = a.stream().skip(1).map(MemberToRemove::new).collect(Collectors.toSet());
                show("removed", members.isEmpty()
                    ? admin.removeMembersFromConsumerGroup(a.get(0), new RemoveMembersFromConsumerGroupOptions()).all()
                    : admin.removeMembersFromConsumerGroup(a.get(0), new RemoveMembersFromConsumerGroupOptions(members)).all());
            }
            case "describeUserScramCredentials" -> show("credentials", admin.describeUserScramCredentials().all());
            default -> throw new IllegalArgumentException(name);
        }
    }

    /** TOPIC-PARTITION */
    private static TopicPartition partition(String word) {
        int dash = word.lastIndexOf('-');
        return new TopicPartition(word.substring(0, dash), Integer.parseInt(word.substring(dash + 1)));
    }

    /** The arguments: names of types and states; without them every group. */
    private static void listGroups(List<String> only) throws Exception {
        Set<GroupType> types = only.stream().map(GroupType::parse).filter(type -> type != GroupType.UNKNOWN).collect(Collectors.toSet());
        Set<GroupState> states = only.stream().map(GroupState::parse).filter(state -> state != GroupState.UNKNOWN).collect(Collectors.toSet());
        show("groups", admin.listGroups(new ListGroupsOptions().withTypes(types).inGroupStates(states)).all());
        show("consumer groups", admin.listGroups(ListGroupsOptions.forConsumerGroups()).all());
    }

    /** As GUIs that were built with older clients ask. */
    @SuppressWarnings({"deprecation", "removal"})
    private static void listConsumerGroups() throws Exception {
        show("groups", admin.listConsumerGroups().all());
    }

    private static void describeConsumerGroups(List<String> groups) throws Exception {
        DescribeConsumerGroupsOptions options = new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true);
        for (var group : new TreeMap<>(admin.describeConsumerGroups(groups, options).describedGroups()).entrySet()) {
            if (failed(group.getKey(), group.getValue())) continue;
            ConsumerGroupDescription said = group.getValue().get();
            System.out.println(said.groupId() + " simple " + said.isSimpleConsumerGroup() + " assignor '" + said.partitionAssignor() + "' " + said.type() + " " + said.groupState()
                + " " + said.coordinator() + " epochs " + said.groupEpoch() + " " + said.targetAssignmentEpoch() + " operations " + inOrder(said.authorizedOperations()));
            members(said.members());
        }
    }

    private static void describeClassicGroups(List<String> groups) throws Exception {
        for (var group : new TreeMap<>(admin.describeClassicGroups(groups).describedGroups()).entrySet()) {
            if (failed(group.getKey(), group.getValue())) continue;
            ClassicGroupDescription said = group.getValue().get();
            System.out.println(said.groupId() + " protocol " + said.protocol() + " data '" + said.protocolData() + "' simple " + said.isSimpleConsumerGroup()
                + " " + said.state() + " " + said.coordinator() + " operations " + inOrder(said.authorizedOperations()));
            members(said.members());
        }
    }

    private static void members(Collection<MemberDescription> members) {
        members.stream().map(member -> "  member " + member.clientId() + " id " + member.consumerId() + " instance " + member.groupInstanceId() + " rack " + member.rackId()
            + " at " + member.host() + " has " + inOrder(member.assignment().topicPartitions()) + " is to have " + member.targetAssignment().map(target -> inOrder(target.topicPartitions()))
            + " epoch " + member.memberEpoch() + " upgraded " + member.upgraded()).sorted().forEach(System.out::println);
    }

    /** Each group with all that it has; of the first one also a partition with offsets and one without. */
    private static void listConsumerGroupOffsets(List<String> groups) throws Exception {
        Map<String, ListConsumerGroupOffsetsSpec> specs = groups.stream().collect(Collectors.toMap(group -> group, group -> new ListConsumerGroupOffsetsSpec()));
        ListConsumerGroupOffsetsResult all = admin.listConsumerGroupOffsets(specs);
        for (String group : groups) show(group, all.partitionsToOffsetAndMetadata(group));
        ListConsumerGroupOffsetsSpec some = new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(new TopicPartition("alpha", 0), new TopicPartition("missing", 7)));
        show(groups.get(0) + ", two partitions", admin.listConsumerGroupOffsets(Map.of(groups.get(0), some)).partitionsToOffsetAndMetadata());
    }

    private static void describeCluster() throws Exception {
        DescribeClusterResult result = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        show("cluster id", result.clusterId());
        show("controller", result.controller());
        show("nodes", result.nodes());
        show("operations", result.authorizedOperations());
        for (Node node : result.nodes().get()) System.out.println("rack " + node.rack() + " fenced " + node.isFenced());
    }

    private static void describeLogDirs(List<String> topics) throws Exception {
        for (var broker : admin.describeLogDirs(List.of(1)).descriptions().entrySet()) {
            if (failed("broker " + broker.getKey(), broker.getValue())) continue;
            for (Map.Entry<String, LogDirDescription> directory : new TreeMap<>(broker.getValue().get()).entrySet()) {
                LogDirDescription said = directory.getValue();
                System.out.println(directory.getKey() + " error " + said.error() + " total " + said.totalBytes().isPresent()
                    + " usable " + (said.usableBytes().getAsLong() <= said.totalBytes().getAsLong()));
                said.replicaInfos().entrySet().stream().filter(replica -> topics.contains(replica.getKey().topic()))
                    .map(replica -> replica.getKey() + " " + replica.getValue()).sorted().forEach(System.out::println);
            }
        }
    }

    private static void listOffsets(String topic) throws Exception {
        Map<String, OffsetSpec> specs = new TreeMap<>(Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(),
            "max timestamp", OffsetSpec.maxTimestamp(), "at a time", OffsetSpec.forTimestamp(1600000002500L), "after all", OffsetSpec.forTimestamp(1900000000000L),
            "earliest local", OffsetSpec.earliestLocal(), "latest tiered", OffsetSpec.latestTiered()));
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            for (int partition : new int[] {0, 1}) {
                TopicPartition of = new TopicPartition(topic, partition);
                show(spec.getKey() + " of " + of, admin.listOffsets(Map.of(of, spec.getValue())).partitionResult(of));
            }
        }
    }

    private static void each(Map<?, ? extends KafkaFuture<?>> futures) throws Exception {
        for (var future : new TreeMap<>(futures.entrySet().stream().collect(Collectors.toMap(e -> e.getKey().toString(), Map.Entry::getValue))).entrySet()) {
            show(future.getKey(), future.getValue());
        }
    }

    private static void show(String what, KafkaFuture<?> future) throws Exception {
        if (!failed(what, future)) System.out.println(what + ": " + inOrder(future.get()));
    }

    private static boolean failed(String what, KafkaFuture<?> future) throws InterruptedException {
        try {
            future.get();
            return false;
        } catch (ExecutionException thrown) {
            System.out.println(what + ": " + thrown.getCause().getClass().getSimpleName() + ": " + thrown.getCause().getMessage());
            return true;
        }
    }

    private static String inOrder(Object value) {
        Stream<?> items;
        if (value instanceof Map<?, ?> map) items = new HashSet<>(map.entrySet()).stream().map(e -> inOrder(((Map.Entry<?, ?>) e).getKey()) + "=" + inOrder(((Map.Entry<?, ?>) e).getValue()));
        else if (value instanceof Collection<?> collection) items = collection.stream().map(Gui::inOrder);
        else if (value instanceof Object[] array) items = Arrays.stream(array).map(Gui::inOrder);
        else return String.valueOf(value);
        return items.map(Object::toString).sorted().collect(Collectors.joining(", ", "[", "]"));
    }
}
