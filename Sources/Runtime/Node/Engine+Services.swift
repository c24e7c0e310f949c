import Broker
import Clustering
import Journal
import Model

extension Engine: NodeServices {
    package func attach(_ port: FrontPort, loop: Int) -> LoopStart {
        ports.withLock { $0[loop] = port }
        ledger.onMail(for: loop) { port.wake() }
        control.post(.tellPeers)
        return ledger.start(loop, of: settings.loops)
    }

    package func replicasAreAwaited() { control.syncIsAwaited() }

    package func read(_ read: TopicRead, reply: @escaping @Sendable (Result<TopicPage, Refusal>) -> Void) {
        log.read(read) { result in
            reply(result.mapError { .internal("this node's log could not be read: \($0)") })
        }
    }

    package func describe(
        _ topic: TopicDefinition, reply: @escaping @Sendable (Result<TopicDescription, Refusal>) -> Void
    ) {
        log.statistics(of: topic.name, generation: topic.generation) { statistics in
            Task {
                var subscribers: UInt64 = 0
                for port in self.attachedPorts { subscribers += UInt64(await port.subscriberCount(of: topic.name)) }
                do {
                    subscribers += try await self.control.inspect { plane, _ in
                        plane.replication.remoteSubscribers(of: topic.name)
                    }
                } catch {
                    return reply(.failure(.internal("the node is stopping")))
                }
                reply(.success(TopicDescription(
                    definition: topic, statistics: statistics, subscribers: subscribers,
                    heads: self.ledger.read { $0.heads(of: topic.name) })))
            }
        }
    }

    package func query(
        _ task: QueryTask, deliver: @escaping @Sendable (Result<QueryChunk, Refusal>) -> Void
    ) -> any QueryHandle {
        queries.run(task, deliver: deliver)
    }

    package func announceInterest(
        loop: Int, added: [TopicFilter], removed: [TopicFilter], confirmed: @escaping @Sendable () -> Void
    ) {
        control.interested(loop: loop, id: takeInterestID(), added: added, removed: removed, confirmed: confirmed)
    }

    package func announce(_ changes: [PresenceChange]) { control.post(.presence(changes)) }

    package func confirmAnnouncements(loop: Int, confirmed: @escaping @Sendable () -> Void) {
        control.confirmAnnouncements(loop: loop, id: takeInterestID(), confirmed: confirmed)
    }

    package func carry(_ errand: Errand, to node: NodeID, loop: Int, from sender: Int) {
        if node == identity.id {
            // A loop that is not there is none that anybody could have heard of.
            ports.withLock { $0[loop] }?.take(errand)
        } else {
            control.post(.errand(ErrandParcel(to: node, loop: loop, from: sender, errand.encoded)))
        }
    }

    /// Gives a peer's errand to the event loop that it is for, or one of this node's own back to the loop that it came from.
    func deliver(_ bytes: [UInt8], to loop: Int, from peer: NodeID?) {
        do throws(FormatError) {
            let errand = try Errand(bytes)
            let port = ports.withLock { $0[loop] }
            if peer == nil { port?.lost(errand) } else { port?.take(errand) }
        } catch {
            logger.warning(
                "a peer's errand could not be read", metadata: ["peer": "\(peer.map { "\($0)" } ?? "")", "error": "\(error)"])
        }
    }

    package func presence(
        of topic: TopicName, limit: Int, reply: @escaping @Sendable (Result<PresenceList, Refusal>) -> Void
    ) {
        control.ask({ plane in plane.presence(of: topic, limit: limit) }) { list in
            reply(list.map { .success($0) } ?? .failure(.internal("the node is stopping")))
        }
    }

    package func report(reply: @escaping @Sendable (Result<StatusReport, Refusal>) -> Void) {
        let share = usage.processorShare(at: settings.clock().monotonic)
        Task {
            var sum = FrontFigures()
            for port in self.attachedPorts { sum.add(await port.figures()) }
            let status = await self.clusterStatus()
            let topics = self.ledger.read { $0.registry.liveCount }
            let figures = NodeFigures(
                node: self.identity.name, cpu: share, memory: ProcessUsage.memory,
                connections: UInt64(clamping: sum.connections), subscriptions: UInt64(clamping: sum.subscriptions),
                messagesIn: sum.counters.messagesReceived, messagesOut: sum.shard.delivered,
                topics: UInt64(clamping: topics))
            reply(.success(StatusReport(figures: figures, cluster: ClusterView(status))))
        }
    }

    package func clusterStatus() async -> ClusterStatus {
        do {
            let (identity, registry) = (identity, ledger.read { $0.registry })
            return try await control.inspect { plane, now in
                let vector = plane.replication.durableVector
                let met = plane.members.map {
                    ClusterStatus.Member(
                        $0, lane: plane.replication.lag(of: $0.id, at: now), own: identity.id,
                        hasDeparted: registry.departed[$0.id] != nil)
                }
                let absent = registry.members.filter { member in !met.contains { $0.id == member.key } }
                    .map { ClusterStatus.Member(absent: $0.key, name: $0.value.name) }
                return ClusterStatus(
                    identity: identity, members: (met + absent).sorted { ($0.name, $0.id) < ($1.name, $1.id) },
                    vector: vector, digest: vector.digest { _ in true }.reduce(0) { ($0 &* 31) &+ $1 })
            }
        } catch {
            return ClusterStatus(identity: identity, members: [], vector: VersionVector(), digest: 0)
        }
    }

    package func beginBackup() async -> Result<BackupDescription, Refusal> { await backups.begin() }

    package func readBackup(
        _ id: String, file: String, at position: Int, count: Int
    ) async -> Result<[UInt8], Refusal> {
        await backups.read(id, file: file, at: position, count: count)
    }

    package func endBackup(_ id: String) async -> Bool { await backups.end(id) }

    package func unreadiness() async -> String? {
        if isStopping.load(ordering: .relaxed) { return "this node is stopping" }
        if let trouble = ledger.trouble { return trouble }
        return log.hasRoom ? nil : "more records wait for this node's disk than may"
    }

    package func metrics() async -> [Metric] {
        var metrics = linkMetrics("gossip", gossip.counters, unit: "packets")
        metrics += linkMetrics("bus", bus.counters, unit: "frames")
        let (sequence, recent, topics) = ledger.read { ($0.sequence, $0.recentCount, $0.registry.liveCount) }
        let recentWindow = ledger.read { $0.recentWindow }
        metrics += [
            Metric("roost_sequence", .gauge, help: "Last local sequence given.", sequence),
            Metric(
                "roost_accepting", .gauge,
                help: "Whether records are taken: 0 while the disk does not, or the node stops.",
                ledger.trouble == nil && !isStopping.load(ordering: .relaxed) ? 1 : 0),
            Metric("roost_topics", .gauge, help: "Topics that exist.", topics),
            Metric("roost_queries", .gauge, help: "Queries in SQL under way.", queries.count),
            Metric("roost_message_ids", .gauge, help: "Message ids remembered for deduplication.", recent),
            Metric(
                "roost_message_id_window_seconds", .gauge,
                help: "How far back message ids are remembered; less than 300 where there are more than may be.",
                recentWindow.components.seconds),
            Metric(
                "roost_clock_jump_seconds", .gauge,
                help: "How far the system's clock has jumped ahead of the time that the node goes by.",
                samples: [Metric.Sample(Double(SystemCalendar.shared.deviation) / 1_000)]),
        ]
        metrics += repairMetrics
        do {
            metrics += try await control.inspect { plane, now in plane.metrics(at: now) }
        } catch {
            logger.debug("the control plane has stopped", metadata: ["error": "\(error)"])
        }
        return metrics
    }

    private var repairMetrics: [Metric] {
        let (counted, pending) = wiring.repairs
        return [
            Metric("roost_scrub_bytes_total", .counter, help: "Bytes of closed segments checked.", counted.bytesScrubbed),
            Metric("roost_scrub_passes_total", .counter, help: "Times that every closed segment was checked.", counted.passes),
            Metric("roost_log_damaged_parts_total", .counter, help: "Damaged parts of segments found.", counted.partsFound),
            Metric(
                "roost_log_records_mended_total", .counter, help: "Records written back that peers gave.",
                counted.recordsMended),
            Metric(
                "roost_log_stretches_missing", .gauge,
                help: "Stretches of journals that are damaged here and for which not every member was asked.", pending),
        ]
    }

    private func linkMetrics(_ link: String, _ counters: LinkCounters, unit: String) -> [Metric] {
        [
            Metric("roost_\(link)_\(unit)_sent_total", .counter, help: "Sealed \(unit) sent.", counters.sent),
            Metric(
                "roost_\(link)_\(unit)_received_total", .counter, help: "Sealed \(unit) received and opened.",
                counters.received),
            Metric(
                "roost_\(link)_\(unit)_refused_total", .counter,
                help: "Sealed \(unit) dropped: forged, truncated, replayed or otherwise not to be trusted.",
                samples: DropReason.allCases.map {
                    Metric.Sample(Double(counters[$0]), labels: [Metric.Label("reason", "\($0)")])
                }),
        ]
    }
}

extension ClusterStatus.Member {
    /// A member as this node's membership and lanes see it.
    init(_ member: Member, lane: LaneStatus?, own: NodeID, hasDeparted: Bool) {
        self.init(
            id: member.id, name: member.name, state: "\(hasDeparted ? .left : member.state)", incarnation: member.incarnation,
            boot: member.boot, gossip: member.gossip, bus: member.bus, listen: member.fronts.first,
            tlsListen: member.fronts.dropFirst().first, lag: member.id == own ? 0 : lane?.lag ?? 0,
            isConnected: member.id == own || lane?.isConnected ?? false, wireVersion: lane?.version)
    }

    /// A member that only the registry knows of.
    init(absent id: NodeID, name: String) {
        self.init(
            id: id, name: name, state: "absent", incarnation: 0, boot: nil, gossip: nil, bus: nil, listen: nil, lag: 0,
            isConnected: false)
    }
}

extension ControlPlane {
    /// Whether a reachable peer has not yet received all that was sent to it.
    func hasUnreceivedFrames(at now: MonotonicTime) -> Bool {
        members.contains { member in
            guard let lane = replication.lag(of: member.id, at: now), lane.isConnected else { return false }
            return lane.unreceivedBytes > 0
        }
    }

    /// The plane's figures.
    func metrics(at now: MonotonicTime) -> [Metric] {
        let lanes = members.compactMap { member in replication.lag(of: member.id, at: now).map { (member.name, $0) } }
        let (counted, membership) = (replication.counters, membership.counters)
        return [
            Metric(
                "roost_members", .gauge, help: "Members by state.",
                samples: MemberState.allCases.map { state in
                    Metric.Sample(
                        Double(members.count { $0.state == state }), labels: [Metric.Label("state", "\(state)")])
                }),
            Metric(
                "roost_lane_lag", .gauge, help: "Own records that a peer has not synced, in local sequences.",
                samples: lanes.map { Metric.Sample(Double($0.1.lag), labels: [Metric.Label("peer", $0.0)]) }),
            Metric(
                "roost_presences", .gauge, help: "Members, typists and responders that are announced, by where they are attached.",
                samples: [("own", replication.presenceCounts.own), ("peers", replication.presenceCounts.peers)].map {
                    Metric.Sample(Double($1), labels: [Metric.Label("at", $0)])
                }),
            Metric("roost_lane_frames_sent_total", .counter, help: "Frames sent on lanes.", counted.framesSent),
            Metric("roost_lane_frames_resent_total", .counter, help: "Frames sent again.", counted.framesResent),
            Metric("roost_lane_frames_received_total", .counter, help: "Frames received.", counted.framesReceived),
            Metric(
                "roost_lane_records_received_total", .counter, help: "Records received from peers.",
                counted.recordsReceived),
            Metric("roost_pulls_total", .counter, help: "Journals asked of another holder.", counted.pulls),
            Metric(
                "roost_memory_fetches_total", .counter, help: "Questions to origins for what is missing of memory topics.",
                counted.fetches),
            Metric(
                "roost_memory_fetches_given_up_total", .counter,
                help: "Shares of memory topics of which something was told as lost, unanswered.", counted.fetchesGivenUp),
            Metric("roost_snapshots_sent_total", .counter, help: "Registries sent whole.", counted.snapshotsSent),
            Metric("roost_probes_failed_total", .counter, help: "Probes of members without answer.", membership.probesFailed),
            Metric("roost_suspicions_total", .counter, help: "Suspicions begun.", membership.suspicions),
            Metric("roost_refutations_total", .counter, help: "Suspicions of this node contradicted.", membership.refutations),
            Metric("roost_gossip_packets_malformed_total", .counter, help: "Members' packets that could not be read.", membership.packetsMalformed),
        ]
    }
}
