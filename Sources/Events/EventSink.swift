// SPDX-License-Identifier: Apache-2.0

// How events are passed on one by one, each without a copy and by its kind. An `Event` holds any kind, so it is as
// large as the largest and expensive to move. Code that stores events stores `Event`; code that only reads them never
// makes one.

/// Takes events in the order in which they were emitted.
public protocol EventSink {
    /// A lookup that ended, or the progress of one.
    mutating func take(_ lookup: Lookup, isProgress: Bool)
    mutating func take(_ detach: Detach)
    mutating func take(_ activity: Activity)
    mutating func take(_ name: Name)
    mutating func take(_ loss: Loss)
    mutating func take(_ totals: Totals)
}

extension EventSink {
    public mutating func take(_ event: Event) {
        switch event {
        case .lookup(let lookup): take(lookup, isProgress: false)
        case .progress(let lookup): take(lookup, isProgress: true)
        case .detach(let detach): take(detach)
        case .activity(let activity): take(activity)
        case .name(let name): take(name)
        case .lost(let loss): take(loss)
        case .totals(let totals): take(totals)
        }
    }
}

/// Stores them.
extension [Event]: EventSink {
    public mutating func take(_ lookup: Lookup, isProgress: Bool) {
        append(isProgress ? .progress(lookup) : .lookup(lookup))
    }
    public mutating func take(_ detach: Detach) { append(.detach(detach)) }
    public mutating func take(_ activity: Activity) { append(.activity(activity)) }
    public mutating func take(_ name: Name) { append(.name(name)) }
    public mutating func take(_ loss: Loss) { append(.lost(loss)) }
    public mutating func take(_ totals: Totals) { append(.totals(totals)) }
}
