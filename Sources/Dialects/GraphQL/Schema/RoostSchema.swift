/// What GraphQL clients can ask of a node.
enum RoostSchema {
    /// The schema, with the types of introspection.
    static let schema = GraphQLParser.schema(text + introspection)

    /// The schema in GraphQL's own language.
    static let text = #"""
        "Any JSON value. A value given by a variable is passed on byte for byte."
        scalar JSON
        "A whole number of up to 64 bits, without a sign."
        scalar Long
        "A time in ISO 8601, such as 2026-01-31T12:00:00.000Z."
        scalar DateTime
        scalar Boolean
        scalar Float
        scalar ID
        "A whole number of 32 bits."
        scalar Int
        scalar String

        type Query {
          "The topics that you may read, by name."
          topics("With wildcards: + for one level, # for the rest." filter: String, "1 to 10000." limit: Int = 100, "Only names after this one." after: String): [Topic!]!
          "One topic; null with an error when it does not exist."
          topic(name: String!): Topic
          "Stored messages, oldest first: those after `since`, or else the newest."
          history(topic: String!, "A cursor, \"beginning\", {last: n} or {time: \"…\"}." since: JSON, until: DateTime, "The newest so many, 1 to 1000, where there is no `since`; with it, the first so many after it." last: Int = 100): History
          "The cluster as the node that you asked sees it."
          cluster: Cluster
          "The node's figures; needs the grant `monitor`."
          metrics: Metrics
        }

        type Mutation {
          "Publishes a message and waits as `ack` says."
          publish(topic: String!, message: JSON!, event: String = "new-message", key: String, "A repeat with the same id is known and not written again." messageId: String, ack: Acknowledgement = ACCEPTED, "Milliseconds after which it is no longer delivered." ttl: Long): Receipt
          "Creates a topic; answered when it is stored."
          createTopic(name: String!, kind: TopicKind = STREAM, durability: Durability = DISK, retention: RetentionInput, "Daptin's bit mask." permission: Int, "Only an admin may name somebody else." owner: String): Topic
          "Ends a topic and its messages; gives its name."
          destroyTopic(name: String!): String
        }

        type Subscription {
          "Messages as they are published, and those after `since` before them."
          messages("A name, or a filter with + and #." topic: String!, "A cursor, {topic: cursor}, \"beginning\", {last: n} or {time: \"…\"}." since: JSON, where: MessageFilter, "Also tells in `extensions` where the subscription begins, and places that were rightly not shown." notices: Boolean = false): Message
          "Who is in a topic, on every node: all of them at first, and then who comes, changes and goes. Those who watch are not counted."
          presence(topic: String!): PresenceUpdate
          "The node's figures once a second; needs the grant `monitor`."
          metricUpdated: Metrics
        }

        "Which messages are delivered: those that pass all of it."
        input MessageFilter {
          event: String
          "Top-level keys of the message with the value that each must have."
          fields: JSON
        }

        type Message {
          "Unique in the cluster."
          id: ID!
          topic: String!
          event: String!
          "The message as its publisher sent it."
          data: JSON
          "The session that published."
          source: String!
          user: String
          key: String
          messageId: String
          partition: String!
          "Dense in its partition from 1: a cursor is {partition: offset} of what you have seen."
          offset: Long!
          timestamp: DateTime!
        }

        type PresenceUpdate {
          topic: String!
          event: PresenceEvent!
          "Who came, changed or went; null with LIST and COUNT."
          member: TopicMember
          "Everybody, with LIST; null where there are too many to be told of each."
          members: [TopicMember!]
          "How many there are now."
          count: Long!
        }

        "A connection that subscribed with presence."
        type TopicMember {
          "Empty for an anonymous one."
          user: String!
          "Where it is attached."
          node: String!
          "The name of its session, which no other has."
          connection: String!
          since: DateTime!
          "What it says of itself."
          state: JSON
        }

        type History {
          messages: [Message!]!
          "The place after the last message given."
          cursor: JSON!
          "Whether more messages match."
          more: Boolean!
        }

        type Topic {
          name: String!
          kind: TopicKind!
          durability: Durability!
          owner: String!
          created: DateTime!
          generation: Int!
          "Daptin's bit mask."
          permission: Int!
          retention: Retention!
          "How many messages this node keeps."
          messages: Long!
          "Bytes of their payloads."
          bytes: Long!
          "Subscribers on every node."
          subscribers: Long!
          "The last offset of each partition."
          heads: JSON!
        }

        "What is kept; null is without limit."
        type Retention {
          messages: Long
          bytes: Long
          seconds: Long
        }

        input RetentionInput {
          messages: Long
          bytes: Long
          seconds: Long
        }

        type Receipt {
          id: ID!
          partition: String!
          offset: Long!
          timestamp: DateTime!
          "The level that was reached."
          ack: Acknowledgement!
        }

        type Cluster {
          name: String!
          "The node that answered."
          node: String!
          "Equal on nodes that hold the same."
          digest: String!
          members: [Member!]!
        }

        type Member {
          id: ID!
          name: String!
          "alive, suspect, dead, away or left."
          state: String!
          incarnation: Long!
          "Where it accepts clients."
          listen: String
          "Records of the node that answered which it does not hold yet."
          lag: Long!
          connected: Boolean!
        }

        type Metrics {
          node: String!
          "Percent of one core."
          cpu: Float!
          "Bytes."
          memory: Long!
          connections: Long!
          subscriptions: Long!
          messagesIn: Long!
          messagesOut: Long!
          topics: Long!
        }

        enum TopicKind { STREAM TABLE }

        enum PresenceEvent {
          "The first: who was there. Whoever came just then may be told once more as JOIN."
          LIST
          JOIN
          "What a member says of itself has changed."
          UPDATE
          LEAVE
          "There are too many to be told of each."
          COUNT
        }

        enum Durability { DISK MEMORY }

        "What a publisher waits for."
        enum Acknowledgement {
          "Sequenced by this node."
          ACCEPTED
          "Synced to this node's disk."
          STORED
          "Synced to the disks of a majority of the replicas."
          REPLICATED
        }

        """#

    /// GraphQL October 2021 §4.2, with `specifiedByURL` and `isRepeatable` as its tools ask for them.
    private static let introspection = """
        type __Schema {
          description: String
          types: [__Type!]!
          queryType: __Type!
          mutationType: __Type
          subscriptionType: __Type
          directives: [__Directive!]!
        }

        type __Type {
          kind: __TypeKind!
          name: String
          description: String
          specifiedByURL: String
          fields(includeDeprecated: Boolean = false): [__Field!]
          interfaces: [__Type!]
          possibleTypes: [__Type!]
          enumValues(includeDeprecated: Boolean = false): [__EnumValue!]
          inputFields(includeDeprecated: Boolean = false): [__InputValue!]
          ofType: __Type
          isOneOf: Boolean
        }

        type __Field {
          name: String!
          description: String
          args(includeDeprecated: Boolean = false): [__InputValue!]!
          type: __Type!
          isDeprecated: Boolean!
          deprecationReason: String
        }

        type __InputValue {
          name: String!
          description: String
          type: __Type!
          defaultValue: String
          isDeprecated: Boolean!
          deprecationReason: String
        }

        type __EnumValue {
          name: String!
          description: String
          isDeprecated: Boolean!
          deprecationReason: String
        }

        type __Directive {
          name: String!
          description: String
          locations: [__DirectiveLocation!]!
          args(includeDeprecated: Boolean = false): [__InputValue!]!
          isRepeatable: Boolean!
        }

        enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }

        enum __DirectiveLocation {
          QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION
          SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM ENUM_VALUE INPUT_OBJECT
          INPUT_FIELD_DEFINITION
        }

        """

    /// The fields that every query has besides its type's own (§4.1).
    static let metaFields: [GraphQLType.Field] = [
        GraphQLType.Field(name: "__schema", description: nil, arguments: [], type: .nonNull(.named("__Schema"))),
        GraphQLType.Field(
            name: "__type", description: nil,
            arguments: [
                GraphQLType.InputValue(
                    name: "name", description: nil, type: .nonNull(.named("String")), defaultValue: nil)
            ], type: .named("__Type")),
    ]

    /// The field that every object has.
    static let typeName = GraphQLType.Field(
        name: "__typename", description: nil, arguments: [], type: .nonNull(.named("String")))

    /// A field of a type, those of introspection included.
    static func field(_ name: String, of type: GraphQLType) -> GraphQLType.Field? {
        if name == typeName.name { return typeName }
        if type.name == "Query", let field = metaFields.first(where: { $0.name == name }) { return field }
        return type.field(name)
    }

    /// The argument of both directives that are known, `@skip` and `@include` (§3.13).
    static let condition = GraphQLType.InputValue(
        name: "if", description: nil, type: .nonNull(.named("Boolean")), defaultValue: nil)

    static let directives: [(name: String, description: String)] = [
        ("skip", "Leaves something out when the condition is true."),
        ("include", "Takes something in only when the condition is true."),
    ]
}
