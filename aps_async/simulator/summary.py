"""A world in short."""

from collections.abc import Iterable, Mapping
from typing import Any

from . import worldacc, worldcost
from .parts import App, Folder, Hub, Project, User, is_exportable


def summary(hubs: Iterable[Hub], apps: Mapping[str, App], users: Mapping[str, User]) -> dict[str, Any]:
    """The tree in short, without secrets."""
    return {
        "apps": list(apps),
        "callbacks": {app.client_id: list(app.redirect_uris) for app in apps.values()},
        "users": list(users),
        "defaultUser": next(iter(users), None),
        "hubs": [
            {
                "id": hub.id,
                "name": hub.name,
                "region": hub.region,
                "projects": [_project_summary(project) for project in hub.projects],
            }
            for hub in hubs
        ],
    }


def _project_summary(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "projectType": project.kind,
        "forbidden": project.forbidden,
        "folders": [_folder_summary(folder) for folder in project.folders],
        **worldacc.summary(project),
        "cost": worldcost.summary(project),
    }


def _folder_summary(folder: Folder) -> dict[str, Any]:
    return {
        "id": folder.id,
        "name": folder.name,
        "hidden": folder.hidden,
        "folders": [_folder_summary(child) for child in folder.folders],
        "items": [
            {
                "id": item.id,
                "name": item.name,
                "title": item.title,
                "type": item.kind,
                "version": item.tip.id,
                "exportable": is_exportable(item),
            }
            for item in folder.items
        ],
    }
